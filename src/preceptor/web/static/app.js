// What every page does in the browser beyond its links and forms. All of it is a convenience: each thing works without.
//
// An element with data-key="a" is pressed (a link or button) or entered (a field) by that key; several keys are separated
// by spaces. Keys are silent while somebody types and with a modifier, and can be switched off; ? lists them.

const root = document.documentElement;
const OFF = "preceptor-keys-off";

root.classList.add("scripted");

const remembered = (name) => {
  try { return localStorage.getItem(name); } catch { return null; }
};
const remember = (name, value) => {
  try { value === null ? localStorage.removeItem(name) : localStorage.setItem(name, value); } catch { /* private window */ }
};
const on = () => remembered(OFF) === null;
const shown = () => root.classList.toggle("keys", on());
shown();

const typing = (target) => target instanceof HTMLElement &&
  (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit])"));
const visible = (element) => element.checkVisibility ? element.checkVisibility() : element.offsetParent !== null;

const find = (key) => [...document.querySelectorAll("[data-key]")]
  .find((element) => element.dataset.key.split(" ").includes(key) && !element.disabled && visible(element));

// A link to a field enters it.
const meant = document.getElementById(location.hash.slice(1));
if (typing(meant)) meant.focus();

// Which button Ctrl+Enter presses: the one whose key brought the reader into the field.
let sends = null;

const press = (element, key) => {
  if (!typing(element)) { element.click(); return; }
  element.focus();
  const keys = element.dataset.key.split(" ");
  const ids = (element.dataset.send ?? "").split(" ");
  sends = document.getElementById(ids[keys.indexOf(key)] ?? "");
};

const help = document.getElementById("keys");

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (typing(event.target)) {
    if (event.key === "Escape") { event.target.blur(); sends = null; }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form && event.target.matches("textarea")) {
      event.preventDefault();
      event.target.form.requestSubmit(sends?.form === event.target.form ? sends : undefined);
    }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || help?.open) return;
  if (event.key === "?" && help) { event.preventDefault(); help.showModal(); return; }
  // Enter belongs to what has the focus.
  if (!on() || (event.key === "Enter" && event.target !== document.body && event.target.id !== "main")) return;
  const element = find(event.key);
  if (!element) return;
  event.preventDefault();
  press(element, event.key);
});

// A form is sent once: the second click would be about what the first one changed.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  if (event.target.method === "post") event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

// In a list, j and k go from line to line, and Enter opens the one that is marked.
const lines = () => [...document.querySelectorAll(".lines > li")];
const mark = (step) => {
  const all = lines();
  if (!all.length) return;
  const here = all.findIndex((line) => line.classList.contains("current"));
  const next = here < 0 ? Math.max(0, all.findIndex((line) => line.id === "first")) : Math.min(Math.max(here + step, 0), all.length - 1);
  all.forEach((line, place) => line.classList.toggle("current", place === next));
  all[next].querySelector("a").focus({ preventScroll: true });
  all[next].scrollIntoView({ block: "nearest" });
};
document.addEventListener("keydown", (event) => {
  if (!on() || typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || help?.open) return;
  if ((event.key === "j" || event.key === "k") && lines().length) { event.preventDefault(); mark(event.key === "j" ? 1 : -1); }
});

// The list of keys is made from what is on the page.
if (help) {
  const names = help.querySelector("dl");
  const add = (keys, text) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    for (const key of keys) { const one = document.createElement("kbd"); one.textContent = key; term.append(one, " "); }
    const about = document.createElement("dd");
    about.textContent = text;
    row.append(term, about);
    names.append(row);
  };
  if (lines().length) { add(["j", "k"], "Down and up in the list"); add(["Enter"], "Open"); }
  for (const element of document.querySelectorAll("[data-key]")) {
    if (element.dataset.key === "Enter") continue;
    const label = element.dataset.help ?? (element.labels?.[0] ?? element).textContent;
    for (const [place, key] of element.dataset.key.split(" ").entries()) {
      const button = document.getElementById((element.dataset.send ?? "").split(" ")[place]);
      add([key], ((button ?? element) === element ? label : button.textContent).replace(key.length === 1 ? new RegExp(`${key}$`) : "", "").trim());
    }
  }
  if (document.querySelector("textarea")) { add(["Ctrl", "Enter"], "Send what is being typed"); add(["Esc"], "Leave a field"); }
  const box = document.getElementById("keys-on");
  box.checked = on();
  box.addEventListener("change", () => { remember(OFF, box.checked ? null : "off"); shown(); });
  document.getElementById("keys-open")?.addEventListener("click", () => help.showModal());
}
