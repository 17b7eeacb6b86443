// Voices: the text is sent to the API, the answer is heard; what is wrong is said beside it.

const form = document.querySelector("[data-preview]");

if (form) {
  const audio = form.querySelector("audio");
  const error = form.querySelector(".error");
  let last = "";

  async function listen() {
    error.hidden = true;
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch("/api/v1/voices/preview", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": document.body.dataset.csrf, "Accept-Language": document.documentElement.lang },
        body: JSON.stringify({ text: form.elements.text.value, voice: form.elements.voice.value, language: form.elements.language.value, project_id: Number(form.dataset.project) }),
      });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) {
        const problem = await answer.json();
        error.textContent = problem.errors?.map((each) => each.message).join(" ") || problem.detail;
        error.hidden = false;
        return;
      }
      if (last) URL.revokeObjectURL(last);
      last = URL.createObjectURL(await answer.blob());
      audio.src = last;
      audio.hidden = false;
      await audio.play().catch(() => {});
    } finally {
      form.removeAttribute("aria-busy");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation(); // the panel's own "nothing is sent twice" is not for this
    listen();
  });
  for (const button of document.querySelectorAll("[data-voice]")) {
    button.addEventListener("click", () => {
      form.elements.voice.value = button.dataset.voice;
      const speaks = button.dataset.languages.split(" ");
      if (!speaks.includes(form.elements.language.value)) form.elements.language.value = speaks[0];
      listen();
    });
  }
}
