// What every page gains where scripts run: confirmations, parts that keep themselves up, rows to add, files to read.

const confirmation = document.getElementById("confirm");

// --- deeds that want a second thought ---
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (!button || button.dataset.sure) return;
  event.preventDefault();
  confirmation.querySelector("p").textContent = button.dataset.confirm;
  confirmation.returnValue = "no";
  confirmation.showModal();
  confirmation.onclose = () => {
    if (confirmation.returnValue !== "yes") return;
    button.dataset.sure = "1";
    button.form.requestSubmit(button);
  };
});

// --- nothing is sent twice ---
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented || form.dataset.chat !== undefined) return;
  form.dataset.sent = "1";
  setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true)), 0);
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent] button").forEach((button) => (button.disabled = false)));

// --- nothing typed is lost by a wrong click ---
for (const form of document.querySelectorAll("form[data-guard]")) {
  let changed = form.querySelector(".error") !== null;
  form.addEventListener("input", () => (changed = true));
  addEventListener("beforeunload", (event) => {
    if (changed && !form.dataset.sent) event.preventDefault();
  });
}

// --- filters ---
for (const form of document.querySelectorAll("[data-filters]")) {
  if (!form.querySelector("input:not([type=hidden], [type=checkbox])")) form.classList.add("scripted");
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-send]")) form.requestSubmit();
  });
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  });
}

// --- parts of the page that the server draws anew ---
export async function redraw(part) {
  const address = new URL(location.href);
  address.searchParams.set("part", part.dataset.part ?? "now");
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (answer.status === 401) location.reload();
  if (!answer.ok) return;
  const html = await answer.text();
  const busy = part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  if (html === part.drawn || confirmation.open || busy || part.querySelector("[data-sent]")) return;
  const at = [...part.querySelectorAll("a, button")].indexOf(document.activeElement);
  part.drawn = html;
  part.innerHTML = html;
  if (at >= 0) part.querySelectorAll("a, button")[at]?.focus();
}

for (const part of document.querySelectorAll("[data-poll]")) {
  const again = async () => {
    if (!document.hidden) await redraw(part).catch(() => {});
    setTimeout(again, Number(part.dataset.poll));
  };
  setTimeout(again, Number(part.dataset.poll));
}

// --- rows that can be added ---
for (const box of document.querySelectorAll("[data-repeat]")) {
  const template = box.querySelector("template[data-row]");
  let next = box.querySelectorAll("[data-each]").length;
  box.addEventListener("click", (event) => {
    const added = event.target.closest("[data-add]");
    const removed = event.target.closest("[data-remove]");
    if (added) {
      const row = template.content.cloneNode(true);
      for (const field of row.querySelectorAll("[name], [id], [for]")) {
        for (const name of ["name", "id", "for"]) {
          const value = field.getAttribute(name);
          if (value) field.setAttribute(name, value.replace(/([.-])99([.-])/, `$1${next}$2`));
        }
      }
      next += 1;
      template.before(row);
      template.previousElementSibling.querySelector("input, select").focus();
    } else if (removed) {
      removed.closest("[data-each]").remove();
      box.dispatchEvent(new Event("input", { bubbles: true }));
      box.querySelector("[data-add]").focus();
    }
  });
}

// --- a file into a text field ---
for (const chooser of document.querySelectorAll("[data-into]")) {
  chooser.addEventListener("change", async () => {
    const [file] = chooser.files;
    if (!file) return;
    const field = document.getElementById(chooser.dataset.into);
    field.value = await file.text();
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy);
    getSelection().selectAllChildren(text);
    await navigator.clipboard?.writeText(text.textContent).catch(() => {});
  });
}

document.querySelector("[aria-invalid=true]")?.focus();
