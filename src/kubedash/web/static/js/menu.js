// Menus close like menus: by Escape, by a click elsewhere, by leaving them.
function menuOf(element) {
  return element?.closest?.("details.menu");
}

function close(kept) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== kept) menu.open = false;
}

document.addEventListener("click", (event) => {
  close(menuOf(event.target));
  const opener = event.target.closest("[data-open]");
  if (opener) {
    close();
    document.getElementById(opener.dataset.open)?.showModal();
  }
  // A click on the backdrop is a click on the dialog itself.
  if (event.target.matches("dialog")) event.target.close();
});

document.addEventListener("keydown", (event) => {
  const menu = menuOf(event.target);
  if (event.key !== "Escape" || !menu?.open) return;
  close();
  menu.querySelector("summary").focus();
});

document.addEventListener("focusout", (event) => {
  if (event.relatedTarget && menuOf(event.target)) close(menuOf(event.relatedTarget));
});
