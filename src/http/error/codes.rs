//! Everything that goes wrong at the machine API, in one table.

use axum::http::StatusCode;

/// What went wrong. Codes are never changed, and never mean something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    InvalidRequest,
    InvalidIdempotencyKey,
    MissingToken,
    InvalidToken,
    InvalidDpopProof,
    InsufficientScope,
    NotAMember,
    NotAnAdmin,
    NoSuchOrganization,
    NoSuchRun,
    NoSuchMember,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Sponsored,
    FlyAuthIsOn,
    ContentTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    TooManyRequests,
    HeadersTooLarge,
    ServerError,
    Unavailable,
}

struct Row {
    code: Code,
    name: &'static str,
    status: u16,
    title: &'static str,
    what_to_do: &'static str,
}

const fn row(code: Code, name: &'static str, status: u16, title: &'static str, what_to_do: &'static str) -> Row {
    Row { code, name, status, title, what_to_do }
}

use Code as C;

/// In the order of [`Code`].
const ROWS: [Row; 24] = [
    row(
        C::InvalidRequest,
        "invalid_request",
        400,
        "The request cannot be read",
        "Send it in the shape that the description of the API gives.",
    ),
    row(
        C::InvalidIdempotencyKey,
        "invalid_idempotency_key",
        400,
        "The Idempotency-Key cannot be one",
        "Send one key of 1 to 255 visible ASCII characters, such as a UUID.",
    ),
    row(
        C::MissingToken,
        "missing_token",
        401,
        "There is no access token",
        "Get one at the token endpoint (grant_type=client_credentials) and send it in the Authorization header.",
    ),
    row(
        C::InvalidToken,
        "invalid_token",
        401,
        "The access token is not good",
        "Get a new one at the token endpoint; one that is bound to a key goes with the scheme DPoP and a proof.",
    ),
    row(
        C::InvalidDpopProof,
        "invalid_dpop_proof",
        401,
        "The DPoP proof is not good",
        "Make a new proof for this very request, with the key that the access token is bound to.",
    ),
    row(
        C::InsufficientScope,
        "insufficient_scope",
        403,
        "The access token does not stand for this",
        "Have an operator add the scope to the machine_scopes of the client, and get a new token.",
    ),
    row(
        C::NotAMember,
        "not_a_member",
        403,
        "The acting person is not known as a member of the organization",
        "Name an admin who has signed in here, or vouch for the person with \"vouched\": true.",
    ),
    row(
        C::NotAnAdmin,
        "not_an_admin",
        403,
        "The acting person is a member and no admin",
        "Name an admin of the organization, or vouch for the person with \"vouched\": true.",
    ),
    row(
        C::NoSuchOrganization,
        "no_such_organization",
        404,
        "There is no such organization",
        "Look at the short name or id; an operator links organizations.",
    ),
    row(
        C::NoSuchRun,
        "no_such_run",
        404,
        "The organization has no such run",
        "Take the id from the answer that began the run, or from the organization.",
    ),
    row(
        C::NoSuchMember,
        "no_such_member",
        404,
        "The run has no such member",
        "Take the id from the list of members; the list is complete once the run is no longer switched.",
    ),
    row(C::NotFound, "not_found", 404, "There is nothing at this address", "Look at the description of the API."),
    row(
        C::MethodNotAllowed,
        "method_not_allowed",
        405,
        "This address takes another method",
        "Send one of the methods in the Allow header.",
    ),
    row(C::RequestTimeout, "request_timeout", 408, "The body did not arrive in time", "Send the request again."),
    row(
        C::Sponsored,
        "sponsored",
        409,
        "Fly.io sponsors the plan of the organization",
        "Wait until the time in \"until\", or have the organization upgrade to a paid plan.",
    ),
    row(
        C::FlyAuthIsOn,
        "fly_auth_is_on",
        409,
        "The run is over, since Fly.io Auth is on again",
        "Disable Fly.io Auth once more to mail the members.",
    ),
    row(
        C::ContentTooLarge,
        "content_too_large",
        413,
        "The body is too long",
        "Send only what the description of the API names.",
    ),
    row(
        C::UriTooLong,
        "uri_too_long",
        414,
        "The address is too long",
        "Send only the parameters that the description names.",
    ),
    row(
        C::UnsupportedMediaType,
        "unsupported_media_type",
        415,
        "The body is not sent as JSON",
        "Send JSON with Content-Type: application/json.",
    ),
    row(
        C::IdempotencyKeyReused,
        "idempotency_key_reused",
        422,
        "The Idempotency-Key came with another request before",
        "Use a new key for every new request, and the same one only to repeat a request as it was.",
    ),
    row(
        C::TooManyRequests,
        "too_many_requests",
        429,
        "The client changes too much at once",
        "Wait as long as Retry-After says, and send the request again.",
    ),
    row(
        C::HeadersTooLarge,
        "headers_too_large",
        431,
        "The header fields are too long",
        "Send fewer or shorter header fields.",
    ),
    row(
        C::ServerError,
        "server_error",
        500,
        "Something went wrong on our side",
        "Send the request again with the same Idempotency-Key: nothing happens twice.",
    ),
    row(
        C::Unavailable,
        "unavailable",
        503,
        "Our records cannot be reached",
        "Send the request again with the same Idempotency-Key after Retry-After: nothing happens twice.",
    ),
];

impl Code {
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.code)
    }

    const fn row(self) -> &'static Row {
        const TABLE: &[Row] = &ROWS;
        &TABLE[self as usize]
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The HTTP status, always the same.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().status
    }

    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// A sentence for whoever wrote the program.
    #[must_use]
    pub const fn what_to_do(self) -> &'static str {
        self.row().what_to_do
    }

    /// For an answer that only has a status.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => C::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => C::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => C::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => C::ContentTooLarge,
            StatusCode::URI_TOO_LONG => C::UriTooLong,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => C::UnsupportedMediaType,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => C::HeadersTooLarge,
            StatusCode::SERVICE_UNAVAILABLE => C::Unavailable,
            status if status.is_server_error() => C::ServerError,
            _ => C::InvalidRequest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_every_code_in_its_place() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(row.code as usize, place, "{:?}", row.code);
            assert!(row.what_to_do.ends_with('.') && !row.title.ends_with('.'), "{:?}", row.code);
            assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{:?}", row.code);
            assert!((400..600).contains(&row.status), "{:?}", row.code);
        }
        let names: std::collections::BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len(), "none twice");
    }
}
