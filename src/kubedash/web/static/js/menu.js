// The header's menu closes like a menu: by Escape, by a click elsewhere, by leaving it.
const menu = document.querySelector("details.menu");

function close() {
  if (menu) menu.open = false;
}

document.addEventListener("click", (event) => {
  if (menu?.open && !menu.contains(event.target)) close();
  const opener = event.target.closest("[data-open]");
  if (opener) {
    close();
    document.getElementById(opener.dataset.open)?.showModal();
  }
  // A click on the backdrop is a click on the dialog itself.
  if (event.target.matches("dialog")) event.target.close();
});

menu?.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  close();
  menu.querySelector("summary").focus();
});

menu?.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !menu.contains(event.relatedTarget)) close();
});
