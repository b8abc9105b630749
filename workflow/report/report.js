"use strict";
// Figures of a session lie deflated in the page until it is opened.
const inflate = async session => {
  const packed = session.querySelector(":scope > script");
  if (!packed) return;
  packed.remove();
  session.setAttribute("aria-busy", "true");
  try {
    const bytes = Uint8Array.from(atob(packed.textContent), letter => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    session.insertAdjacentHTML("beforeend", await new Response(stream).text());
  } catch (error) {
    session.insertAdjacentHTML("beforeend", '<p class="missing">This browser is too old to inflate the figures: they need one of 2023 or later.</p>');
  }
  session.removeAttribute("aria-busy");
};
const sessions = [...document.querySelectorAll("details.session")];
sessions.forEach(session => {
  if (session.open) inflate(session);
  session.addEventListener("toggle", () => { if (session.open) inflate(session); });
});
// Those of a small study are inflated beforehand, so that the browser's own search and printing find them.
const FEW = 24;
if (sessions.length <= FEW) addEventListener("load", () => setTimeout(() => sessions.forEach(inflate)));

// Places in a session that is not inflated are told by their names: of figures and of chapters.
const holds = (session, name) => ["", "part-"].some(kind => name.startsWith(`${kind}${session.id.slice("session-".length)}-`));
// A link into a session that is closed opens it.
const reveal = async () => {
  const name = decodeURIComponent(location.hash.slice(1));
  if (!name) return;
  if (!document.getElementById(name))
    await Promise.all(sessions.filter(session => holds(session, name)).map(inflate));
  const target = document.getElementById(name);
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") { part.open = true; await inflate(part); }
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", reveal); reveal();
// What has been inflated is printed; of a large study that is what was opened.
addEventListener("beforeprint", () => sessions.forEach(session => { if (!session.querySelector(":scope > script")) session.open = true; }));

// The search keeps links that hold the text, and those above them.
document.getElementById("search").addEventListener("input", event => { const text = event.target.value.toLowerCase();
  document.querySelectorAll("#contents li").forEach(item => item.hidden = !item.textContent.toLowerCase().includes(text)); });
// Tables sort by a click on a heading; long ones filter by a text.
const value = (row, column) => { const text = row.cells[column].textContent.trim(), number = parseFloat(text); return /^-?[\d.]/.test(text) && !isNaN(number) ? number : text; };
document.querySelectorAll("main table").forEach(table => { const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => { const button = document.createElement("button"); button.type = "button";
    button.textContent = head.textContent; head.replaceChildren(button);
    button.addEventListener("click", () => { const down = head.getAttribute("aria-sort") === "ascending";
      [...table.tHead.rows[0].cells].forEach(other => other.removeAttribute("aria-sort")); head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => typeof a === typeof b ? (typeof a === "number" ? a - b : a.localeCompare(b)) : typeof a === "number" ? -1 : 1;
      body.append(...[...body.rows].sort((a, b) => (down ? -1 : 1) * order(value(a, column), value(b, column)))); }); });
  if (body.rows.length > 8) { const input = document.createElement("input"); input.type = "search"; input.className = "filter"; input.placeholder = "Filter rows"; input.setAttribute("aria-label", "Filter rows");
    input.addEventListener("input", () => [...body.rows].forEach(row => row.hidden = !row.textContent.toLowerCase().includes(input.value.toLowerCase())));
    table.parentElement.before(input); } });

// A click on a figure shows it in full size; vectors stay sharp at any.
const zoom = document.getElementById("zoom"), large = zoom.querySelector("img");
const scale = by => { const frame = large.parentElement, full = large.naturalWidth / large.naturalHeight;
  const fit = Math.min(frame.clientWidth, frame.clientHeight * full) - 4;
  large.style.width = `${by ? Math.max(80, large.clientWidth * by) : fit}px`; };
document.addEventListener("click", event => {
  const button = event.target.closest(".enlarge");
  if (!button) return;
  const image = button.firstElementChild;
  large.src = image.src; large.alt = image.alt; large.dataset.axes = image.dataset.axes;
  zoom.querySelector("b").textContent = button.parentElement.querySelector("figcaption b").textContent;
  zoom.showModal();
  large.decode().then(() => scale(0), () => {});
});
zoom.querySelectorAll("[data-by]").forEach(button => button.addEventListener("click", () => scale(Number(button.dataset.by))));
zoom.querySelector("[data-close]").addEventListener("click", () => zoom.close());
zoom.addEventListener("wheel", event => { if (event.ctrlKey) { event.preventDefault(); scale(event.deltaY < 0 ? 1.1 : 1 / 1.1); } }, { passive: false });

// Over a panel, what its axes measure at the pointer.
const readout = document.getElementById("readout");
const short = number => Math.abs(number) >= 1e5 || (number && Math.abs(number) < 1e-3) ? number.toExponential(2) : String(Number(number.toPrecision(3)));
const measured = (axis, share) => {
  let [low, high] = axis.ends;
  if (axis.scale === "log") return short(Math.exp(Math.log(low) + share * (Math.log(high) - Math.log(low))));
  const number = low + share * (high - low);
  if (!axis.ticks) return short(number);
  return axis.ticks.reduce((best, tick) => Math.abs(tick[0] - number) < Math.abs(best[0] - number) ? tick : best)[1];
};
document.addEventListener("pointermove", event => {
  const image = event.target.closest?.("img[data-axes]");
  readout.hidden = true;
  if (!image) return;
  const frame = image.getBoundingClientRect();
  const x = (event.clientX - frame.left) / frame.width, y = (event.clientY - frame.top) / frame.height;
  image.panels ??= JSON.parse(image.dataset.axes);
  const panel = image.panels.find(({ box }) => x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3]);
  if (!panel) return;
  const [left, top, right, bottom] = panel.box;
  const lines = [["x", (x - left) / (right - left)], ["y", (bottom - y) / (bottom - top)]]
    .filter(([name]) => panel[name]).map(([name, share]) => `${panel[name].label || name}: ${measured(panel[name], share)}`);
  if (!lines.length) return;
  readout.textContent = lines.join("; ");
  readout.hidden = false;
  (image.closest("dialog") || document.body).append(readout);
  readout.style.left = `${Math.min(event.clientX + 14, innerWidth - readout.offsetWidth - 4)}px`;
  readout.style.top = `${Math.min(event.clientY + 14, innerHeight - readout.offsetHeight - 4)}px`;
});

// The methods text, without its links, for the clipboard.
const copy = document.querySelector(".copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById("boilerplate").innerText);
    copy.textContent = "Copied";
  });
}
