// What eslint looks for in the browser code: its recommended rules. Not part of the tests: npx eslint@9 .
import js from "@eslint/js";
import globals from "globals";

export default [
  { files: ["assets/page/**/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["tests/page/**/*.mjs"], languageOptions: { globals: globals.node } },
  js.configs.recommended,
];
