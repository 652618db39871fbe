import js from "@eslint/js";
import globals from "globals";

export default [
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "module" },
    rules: {
      "arrow-body-style": "error",
      "consistent-return": "error",
      eqeqeq: "error",
      "no-alert": "error",
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-shadow": "error",
      "no-unused-vars": ["error", { varsIgnorePattern: "^_$" }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
  { ignores: ["tests/server/page/**"], languageOptions: { globals: globals.browser } },
  { files: ["tests/server/page/**"], languageOptions: { globals: globals.nodeBuiltin } },
  { files: ["**/theme-first.js"], languageOptions: { sourceType: "script" } },
];
