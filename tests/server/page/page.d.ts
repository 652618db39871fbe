// What the page loads; all else is imported by these, or by a test.
import "#page/app.js";
import "#page/theme-first.js";
