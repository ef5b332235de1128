// Says while a person types how a new password stands. Without this script the page says the rules, and the answer says what is
// weak. The script is a hint and sends nothing; what is saved is judged by the server, which knows far more.
(() => {
  "use strict";
  const field = document.getElementById("password");
  const place = document.getElementById("strength-now");
  if (!field || !place) return;
  const minimum = Number(field.minLength);
  const known = (place.dataset.words ?? "").toLowerCase().split(" ").filter((word) => word.length > 2);
  const common = ["password", "passwort", "qwerty", "qwertz", "azerty", "letmein", "welcome", "admin", "login", "secret",
    "iloveyou", "dragon", "monkey", "football", "sentry", "fly.io", "flybridge", "abc", "123"];
  const rows = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

  // What is left of a text when everything is taken out that is tried early.
  const rest = (text) => {
    let left = text;
    for (const word of [...known, ...common]) left = left.split(word).join(" ");
    left = left.replace(/(19|20)\d\d/g, " ").replace(/(.{1,6}?)\1{2,}/g, "$1");
    let kept = "";
    for (let at = 0; at < left.length; at += 1) {
      const three = left.slice(Math.max(0, at - 2), at + 1);
      const turned = [...three].reverse().join("");
      const inRow = three.length === 3 && rows.some((row) => row.includes(three) || row.includes(turned));
      if (!inRow) kept += left[at];
    }
    return kept.trim();
  };

  const judge = (text) => {
    const characters = [...text].length;
    if (characters < minimum) {
      const missing = minimum - characters;
      return [0, `${missing} more character${missing === 1 ? "" : "s"} to go.`];
    }
    const left = rest(text.toLowerCase());
    const different = new Set(left.replace(/\s/g, "")).size;
    const words = left.split(/[\s\-_.,;:]+/).filter((word) => word.length > 2).length;
    if (left.length < minimum * 0.6 || different < 6) {
      return [1, "Too easy: names, repeats, rows of keys and years are tried early. Add words that have nothing to do with them."];
    }
    if (left.length < minimum || (words < 3 && different < 10)) {
      return [2, "Not much: add one or two words that have nothing to do with the others."];
    }
    if (left.length < minimum + 6) return [3, "Looks good. We check it once more when you save."];
    return [4, "Looks very good. We check it once more when you save."];
  };

  // What the server said of the last one, or that it will look: it makes room for what is said of this one.
  const before = document.querySelectorAll("#strength, label[for=strength]");

  const meter = document.createElement("meter");
  meter.id = "strength-meter";
  meter.max = 4;
  meter.low = 2;
  meter.high = 3;
  meter.optimum = 4;
  meter.setAttribute("aria-hidden", "true");
  const words = document.createElement("p");
  words.className = "small soft";
  words.id = "strength-words";
  words.setAttribute("aria-hidden", "true");
  // Seen at every key, so that nothing moves any more when the typing is over; heard when it pauses.
  const heard = document.createElement("p");
  heard.className = "vh";
  heard.id = "strength-heard";
  heard.setAttribute("aria-live", "polite");
  place.append(meter, words, heard);
  place.hidden = true;

  let pause = 0;
  field.addEventListener("input", () => {
    place.hidden = field.value === "";
    for (const element of before) element.hidden = !place.hidden;
    const [score, text] = judge(field.value);
    meter.value = score;
    place.dataset.score = String(score);
    words.textContent = text;
    clearTimeout(pause);
    pause = setTimeout(() => { heard.textContent = field.value === "" ? "" : text; }, 500);
  });
})();
