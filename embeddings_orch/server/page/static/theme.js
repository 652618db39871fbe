/** Dark or light: the system's, until one is chosen. */

const dark = matchMedia("(prefers-color-scheme: dark)");

/** "dark" or "light", as it is shown now. */
export const theme = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");

/** Changes to the other one; `changed` events on the root tell it. */
export function toggleTheme() {
  const other = theme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = other;
  try {
    localStorage.setItem("theme", other);
  } catch {
    // Chosen for this visit only.
  }
  told();
}

const told = () => document.documentElement.dispatchEvent(new Event("theme"));

dark.addEventListener("change", told);
