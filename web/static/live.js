// Live calls: words come by events; who is on the line is drawn by the server.

import { redraw } from "/static/panel.js";

const place = document.querySelector("[data-live]");
const link = document.querySelector("[data-link]");
let waiting = 0;

function again() {
  if (waiting) return;
  waiting = setTimeout(async () => {
    await redraw(place).catch(() => {});
    waiting = 0;
    tick();
    place.querySelectorAll("[data-lines]").forEach(toEnd);
  }, 250);
}

const toEnd = (list) => (list.scrollTop = list.scrollHeight);

function line(call, who, text, partial = false) {
  const list = place.querySelector(`[data-call="${call}"] [data-lines]`);
  if (!list) return again();
  list.querySelector(".partial")?.remove();
  if (!text) return;
  const item = document.createElement("li");
  item.className = `line ${who}${partial ? " partial" : ""}`;
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  bubble.textContent = text;
  item.append(bubble);
  list.append(item);
  while (list.children.length > 40) list.firstElementChild.remove();
  toEnd(list);
}

function take(event) {
  switch (event.kind) {
    case "said":
      return line(event.call_id, "robot", event.text);
    case "partial":
      return line(event.call_id, "subscriber", event.text, true);
    case "heard":
      return line(event.call_id, "subscriber", event.text);
    case "at": {
      const node = place.querySelector(`[data-call="${event.call_id}"] [data-node]`);
      if (node) node.textContent = event.node;
      return;
    }
    case "step":
      return;
    default:
      again();
  }
}

function tick() {
  for (const since of place.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(since.dataset.since)) / 1000));
    since.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}
setInterval(tick, 1000);
tick();

function connected(yes) {
  link.classList.toggle("on", yes);
  const word = link.querySelector("[data-on]");
  word.textContent = yes ? word.dataset.on : word.dataset.off;
}

const source = new EventSource(`/api/v1/calls/events?project_id=${place.dataset.project}`);
source.onopen = () => {
  connected(true);
  again(); // what happened while there was no link
};
source.onerror = () => connected(false);
source.onmessage = (message) => take(JSON.parse(message.data));
addEventListener("pagehide", () => source.close());
