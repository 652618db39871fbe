/** Dark or light: the system's, until one is chosen. */

/** @import {Theme} from "./colours.js" */

const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * The theme that is shown now.
 * @returns {Theme}
 */
export function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light";
}

/** Changes to the other one; a `theme` event on the root tells it. */
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
