// A file with its fields to the API, with progress; what is wrong with it is said at the form.

for (const form of document.querySelectorAll("[data-upload]")) {
  const bar = form.querySelector("progress");
  const error = form.querySelector(".error");
  const button = form.querySelector("button");
  const wrong = (text) => {
    error.textContent = text;
    error.hidden = false;
    bar.hidden = true;
    button.disabled = false;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    error.hidden = true;
    bar.hidden = false;
    button.disabled = true;
    const data = new FormData();
    for (const field of form.elements) {
      if (field.name && field.type !== "file" && field.value) data.append(field.name, field.value);
    }
    const file = form.querySelector("[type=file]").files[0];
    data.append("file", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", form.dataset.upload);
    request.setRequestHeader("X-CSRF-Token", document.body.dataset.csrf);
    request.setRequestHeader("Accept-Language", document.documentElement.lang);
    request.upload.onprogress = (at) => (bar.value = at.lengthComputable ? (100 * at.loaded) / at.total : 0);
    request.onload = () => {
      if (request.status === 201 || request.status === 401) return location.reload();
      let problem = {};
      try {
        problem = JSON.parse(request.responseText);
      } catch {}
      wrong(problem.errors?.map((each) => each.message).join(" ") || problem.detail || form.dataset.failed);
    };
    request.onerror = () => wrong(form.dataset.failed);
    request.send(data);
  });
}
