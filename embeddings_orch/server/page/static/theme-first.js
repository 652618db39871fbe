// Before the first paint, so that a chosen theme does not flash. A classic script: modules run later.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be off; the system's theme is used.
}
