// A rehearsal that goes on without a new page: the form is sent, the server's answer takes its place.

const stage = document.querySelector("[data-stage]");

const toEnd = () => {
  const lines = stage.querySelector("[data-lines]");
  if (lines) lines.scrollTop = lines.scrollHeight;
};

stage.addEventListener("submit", async (event) => {
  if (event.target.dataset.chat === undefined) return;
  event.preventDefault();
  const data = new FormData(event.target, event.submitter);
  stage.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(`${event.target.action}?part=stage`, { method: "POST", body: new URLSearchParams(data) });
    if (answer.status === 401 || answer.status === 403) return location.reload();
    stage.innerHTML = await answer.text();
  } finally {
    stage.removeAttribute("aria-busy");
  }
  toEnd();
  (stage.querySelector("#say") ?? stage.querySelector("[value=afresh]"))?.focus({ preventScroll: true });
  stage.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
});
toEnd();
