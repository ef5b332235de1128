// Keeps the page of a disable run current while it is open. Without this script the page says the same after "Refresh".
(() => {
  "use strict";
  const section = document.querySelector("[data-events]");
  if (!section || !window.EventSource) return;

  const state = document.getElementById("run-state");
  const underWay = (name) => name === "switched" || name === "mailing";
  const atFirst = state.dataset.state;
  const stoppedAtFirst = document.getElementById("mail-stopped") !== null;

  const write = (element, text) => {
    if (element && element.textContent !== String(text)) element.textContent = text;
  };

  const showNumbers = (message) => {
    for (const element of document.querySelectorAll("[data-live]")) {
      const value = message[element.dataset.live];
      if (value === undefined || value === null) continue;
      if (element instanceof HTMLProgressElement) {
        element.max = message.total;
        element.value = value;
        write(element, `${value} of ${message.total}`);
      } else {
        write(element, value);
      }
    }
    const asOf = document.querySelector("time[data-live=as_of]");
    if (asOf && message.as_of_iso) asOf.dateTime = message.as_of_iso;
    const failures = document.getElementById("failures");
    if (failures) failures.hidden = message.failed === 0;
  };

  // What a screen reader says: how far it is, no more often than twice a minute. The numbers themselves are silent.
  const said = document.getElementById("run-said");
  const between = 30000;
  let saidAt = -between;
  const say = (message) => {
    if (!said || performance.now() - saidAt < between) return;
    saidAt = performance.now();
    const failed = message.failed > 0 ? ` ${message.failed_text}` : "";
    write(said, `${message.heading}, ${message.remaining}.${failed}`);
  };

  // A row has a button while there is a reason to send its mail again, which may come and go.
  const showButton = (row, update) => {
    const cell = row.querySelector(".do");
    const button = cell.querySelector(".resend");
    if (!update.resend || button) {
      if (button) button.hidden = !update.resend;
      return;
    }
    const name = document.createElement("span");
    name.className = "vh";
    name.textContent = ` to ${row.dataset.name}`;
    const made = document.createElement("button");
    made.className = "button slim resend";
    made.type = "submit";
    made.name = "member";
    made.value = update.member;
    made.setAttribute("form", "resend-form");
    made.append("Resend", name);
    cell.append(made);
  };

  const showRow = (update) => {
    const row = document.querySelector(`.member[data-member="${CSS.escape(update.member)}"]`);
    if (!row) return;
    row.dataset.status = update.status;
    row.dataset.ready = String(update.ready);
    const mail = row.querySelector(".mail-state");
    mail.className = `badge mail-state ${update.status}`;
    write(mail, update.status);
    write(row.querySelector(".mail-detail"), update.detail ?? "");
    write(row.querySelector(".mail-answer"), update.answer ?? "");
    const password = row.querySelector(".password-state");
    password.className = update.ready ? "badge password-state ready" : "password-state soft";
    write(password, update.ready ? "ready" : "not yet");
    showButton(row, update);
  };

  // The page of a finished run is another page, and so is that of a run whose list is written down at last or whose mail stops or
  // goes on. Whoever is typing is not interrupted: it comes when they leave the field.
  const reload = () => {
    const busy = document.activeElement?.matches("input, select");
    if (busy) document.activeElement.addEventListener("blur", () => location.reload(), { once: true });
    else location.reload();
  };

  const source = new EventSource(section.dataset.events);
  source.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    showNumbers(message);
    say(message);
    (message.rows ?? []).forEach(showRow);
    state.dataset.state = message.state;
    const listIsThere = message.state !== "switched" && document.getElementById("list-to-come");
    if (listIsThere || underWay(message.state) !== underWay(atFirst) || message.stopped !== stoppedAtFirst) {
      source.close();
      reload();
    }
  });
})();
