// Ctrl-K: the pages this person may go to, and what the search finds.
const LEAST = 2;
const PAUSE = 150;
const MOST = 12;

const box = document.getElementById("palette");
const field = box?.querySelector("input");
const list = box?.querySelector("ul");
let waiting;
let asked = 0;

function pages() {
  const found = [...document.querySelectorAll("header.top a[data-go]")];
  return found.map((link) => ({ text: link.textContent.trim(), kind: "page", href: link.href }));
}

// The search page is the one source of finds: its rows are read, not drawn again.
async function finds(q) {
  const answer = await fetch(`${box.dataset.palette}?${new URLSearchParams({ q })}`, {
    headers: { Accept: "text/html" },
  });
  if (!answer.ok) return [];
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const rows = [...page.querySelectorAll("#main [data-row]")].slice(0, MOST);
  return rows.flatMap((row) => {
    const link = row.querySelector("a[href]");
    if (!link) return [];
    const href = new URL(link.getAttribute("href"), location.href).href;
    return [{ text: link.textContent.trim(), kind: row.dataset.what ?? "found", href }];
  });
}

function draw(entries) {
  list.replaceChildren(
    ...entries.map((entry, index) => {
      const item = document.createElement("li");
      const kind = document.createElement("span");
      item.id = `palette-${index}`;
      item.role = "option";
      item.ariaSelected = String(index === 0);
      item.dataset.href = entry.href;
      item.append(entry.text, kind);
      kind.textContent = entry.kind;
      return item;
    }),
  );
  field.setAttribute("aria-activedescendant", entries.length ? "palette-0" : "");
}

async function update() {
  const q = field.value.trim();
  const mine = ++asked;
  const local = pages().filter((entry) => entry.text.toLowerCase().includes(q.toLowerCase()));
  draw(local);
  if (q.length < LEAST) return;
  const found = await finds(q).catch(() => []);
  if (mine === asked) draw([...local, ...found]);
}

function move(step) {
  const items = [...list.children];
  if (items.length === 0) return;
  const at = items.findIndex((item) => item.ariaSelected === "true");
  const next = items[(at + step + items.length) % items.length];
  for (const item of items) item.ariaSelected = String(item === next);
  field.setAttribute("aria-activedescendant", next.id);
  next.scrollIntoView({ block: "nearest" });
}

function follow(item) {
  if (item) location.assign(item.dataset.href);
}

export function openPalette() {
  if (!box) return false;
  if (!box.open) {
    field.value = "";
    draw(pages());
    box.showModal();
    field.focus();
  }
  return true;
}

field?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(update, PAUSE);
});
field?.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") move(1);
  else if (event.key === "ArrowUp") move(-1);
  // The first Escape would only empty the field.
  else if (event.key === "Escape") box.close();
  else if (event.key === "Enter") follow(list.querySelector('[aria-selected="true"]'));
  else return;
  event.preventDefault();
});
list?.addEventListener("click", (event) => follow(event.target.closest("li")));
