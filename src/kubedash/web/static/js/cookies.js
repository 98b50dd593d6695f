// Small choices that the server must know before it draws a page: theme and pull tool.
const YEAR = 365 * 24 * 60 * 60;

export function remember(name, value) {
  const path = document.body.dataset.base || "/";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${encodeURIComponent(value)}; Path=${path}; Max-Age=${YEAR}; SameSite=Lax${secure}`;
}
