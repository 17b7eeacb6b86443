// The player of a call: both sides' loudness, the talk in step with the sound.

const box = document.querySelector("[data-player]");
const timeline = document.querySelector("[data-timeline]");
const steps = document.querySelector("[data-steps]");
steps?.addEventListener("change", () => timeline.classList.toggle("plain-talk", !steps.checked));

if (box) player(box);

function player(box) {
  const audio = box.querySelector("audio");
  const wave = box.querySelector(".wave");
  const canvas = wave.querySelector("canvas");
  const lines = timeline ? [...timeline.querySelectorAll("[data-at]")] : [];
  let sides = null;

  audio.controls = false;
  box.classList.add("scripted");

  const length = () => (Number.isFinite(audio.duration) ? audio.duration : sides ? sides.duration_ms / 1000 : 0);
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const go = (seconds) => {
    audio.currentTime = Math.min(Math.max(0, seconds), Math.max(0, length() - 0.05));
    show();
  };
  const toggle = () => (audio.paused ? audio.play() : audio.pause());

  function show() {
    const now = audio.currentTime;
    box.querySelector("[data-now]").textContent = clock(now);
    box.querySelector("[data-length]").textContent = clock(length());
    wave.setAttribute("aria-valuemax", Math.round(length()));
    wave.setAttribute("aria-valuenow", Math.round(now));
    wave.setAttribute("aria-valuetext", `${clock(now)} / ${clock(length())}`);
    let current = null;
    for (const line of lines) {
      if (line.classList.contains("line") && Number(line.dataset.at) <= now * 1000 + 60) current = line;
    }
    if (now === 0 && audio.paused) current = null;
    for (const line of lines) line.classList.toggle("current", line === current);
    draw();
  }

  function draw() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const played = length() ? (audio.currentTime / length()) * width : 0;
    if (sides) {
      side(pen, sides.robot, height * 0.27, height * 0.22, width, played, colour("--robot"));
      side(pen, sides.subscriber, height * 0.73, height * 0.22, width, played, colour("--subscriber"));
    }
    pen.fillStyle = colour("--line-strong");
    pen.fillRect(0, height / 2, width, 1);
    pen.fillStyle = colour("--ink");
    pen.fillRect(Math.min(played, width - 2), 0, 2, height);
  }

  function side(pen, peaks, middle, most, width, played, colour) {
    const gap = Math.max(2, width / peaks.length);
    const count = Math.floor(width / gap);
    pen.fillStyle = colour;
    for (let n = 0; n < count; n += 1) {
      const from = Math.floor((n * peaks.length) / count);
      const to = Math.max(from + 1, Math.floor(((n + 1) * peaks.length) / count));
      const loud = Math.max(...peaks.slice(from, to)) / 100;
      const tall = Math.max(1, Math.sqrt(loud) * most * 2);
      pen.globalAlpha = n * gap <= played ? 1 : 0.5;
      pen.fillRect(n * gap, middle - tall / 2, Math.max(1, gap - 1), tall);
    }
    pen.globalAlpha = 1;
  }

  const seek = (event) => {
    const frame = wave.getBoundingClientRect();
    go(((event.clientX - frame.left) / frame.width) * length());
  };
  wave.addEventListener("pointerdown", (event) => {
    wave.setPointerCapture(event.pointerId);
    seek(event);
  });
  wave.addEventListener("pointermove", (event) => event.buttons && seek(event));
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea, button, a, dialog, summary") || event.ctrlKey || event.altKey || event.metaKey) return;
    const deed = {
      " ": toggle,
      ArrowLeft: () => go(audio.currentTime - 5),
      ArrowRight: () => go(audio.currentTime + 5),
      Home: () => event.target === wave && go(0),
      End: () => event.target === wave && go(length()),
    }[event.key];
    if (deed && deed() !== false) event.preventDefault();
  });
  box.querySelector("[data-play]").addEventListener("click", toggle);
  box.querySelector("[data-back]").addEventListener("click", () => go(audio.currentTime - 5));
  box.querySelector("[data-on]").addEventListener("click", () => go(audio.currentTime + 5));
  box.querySelector("[data-speed]").addEventListener("change", (event) => (audio.playbackRate = Number(event.target.value)));
  const jump = (event) => {
    const stamp = event.target.closest("[data-seek]");
    if (stamp) {
      go(Number(stamp.dataset.seek) / 1000);
      audio.play();
    }
  };
  for (const part of [timeline, box.querySelector("[data-strip]"), document.getElementById("replay")]) {
    part?.addEventListener("click", jump);
  }
  for (const name of ["timeupdate", "loadedmetadata", "seeked"]) audio.addEventListener(name, show);
  for (const name of ["play", "pause", "ended"]) {
    audio.addEventListener(name, () => {
      box.classList.toggle("playing", !audio.paused);
      requestAnimationFrame(follow);
    });
  }
  function follow() {
    show();
    if (!audio.paused) requestAnimationFrame(follow);
  }
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  fetch(box.dataset.waveform)
    .then((answer) => (answer.ok ? answer.json() : null))
    .then((found) => {
      sides = found;
      show();
    });
}
