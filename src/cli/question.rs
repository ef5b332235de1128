//! Questions that are answered by yes or no.

use std::io::{IsTerminal as _, Write as _};

use super::start::StartError;

/// What the person at the terminal answers; `unasked` says what to do where there is none.
#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
pub(super) fn ask(question: &str, unasked: impl FnOnce() -> String) -> Result<bool, StartError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(StartError::arguments(unasked()));
    }
    print!("{question} [y/N] ");
    let cannot = |error| StartError::new("the answer cannot be read", error);
    std::io::stdout().flush().map_err(cannot)?;
    let mut answer = String::new();
    input.read_line(&mut answer).map_err(cannot)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_one() {
        for (answer, yes) in
            [("y\n", true), ("Yes\r\n", true), ("", false), ("\n", false), ("n\n", false), ("yy", false)]
        {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
