// A scenario's map: dragged by hand, a card's arrows lit while it is pointed at.

function light(map, name) {
  for (const each of map.querySelectorAll("[data-from]")) {
    each.classList.toggle("lit", name !== "" && (each.dataset.from === name || each.dataset.to === name));
  }
}

function ready(frame) {
  if (frame.dataset.ready) return;
  frame.dataset.ready = "1";
  const from = (event) => event.target.closest?.("[data-name]")?.dataset.name ?? "";
  frame.addEventListener("pointerover", (event) => light(frame, from(event)));
  frame.addEventListener("focusin", (event) => light(frame, from(event)));
  frame.addEventListener("pointerleave", () => light(frame, ""));
  let grip = null;
  frame.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    grip = { x: event.clientX + frame.scrollLeft, y: event.clientY + frame.scrollTop };
    frame.classList.add("dragging");
  });
  addEventListener("pointermove", (event) => {
    if (grip) frame.scrollTo(grip.x - event.clientX, grip.y - event.clientY);
  });
  addEventListener("pointerup", () => {
    grip = null;
    frame.classList.remove("dragging");
  });
  const map = frame.querySelector("svg");
  const whole = { width: Number(map.getAttribute("width")), height: Number(map.getAttribute("height")) };
  let scale = 1;
  const zoom = (to) => {
    const middle = (frame.scrollLeft + frame.clientWidth / 2) / scale;
    scale = Math.min(2, Math.max(0.2, to));
    map.setAttribute("width", whole.width * scale);
    map.setAttribute("height", whole.height * scale);
    frame.scrollLeft = middle * scale - frame.clientWidth / 2;
  };
  frame.parentElement.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) zoom(Number(button.dataset.zoom) * scale || Math.min(1, frame.clientWidth / whole.width));
  });
  const wanted = frame.querySelector(".box.passed, .box.start");
  if (wanted) {
    const [card, window_] = [wanted.getBoundingClientRect(), frame.getBoundingClientRect()];
    frame.scrollLeft += card.left + card.width / 2 - window_.left - window_.width / 2;
  }
}

const all = () => document.querySelectorAll("[data-map]").forEach(ready);
all();
document.addEventListener("drawn", all);
