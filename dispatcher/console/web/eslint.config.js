import js from "@eslint/js";
import compat from "eslint-plugin-compat";
import vue from "eslint-plugin-vue";
import globals from "globals";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["dist/", "node_modules/"] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  ...ts.configs.stylisticTypeChecked,
  ...vue.configs["flat/recommended"],
  compat.configs["flat/recommended"],
  {
    languageOptions: {
      globals: { ...globals.browser },
      parserOptions: {
        parser: ts.parser,
        projectService: { allowDefaultProject: ["*.js", "tools/*.mjs"] },
        extraFileExtensions: [".vue"],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // `void count.value` says that a computed value depends on it; names are cut by code points on purpose.
      "@typescript-eslint/no-meaningless-void-operator": "off",
      "@typescript-eslint/no-misused-spread": "off",
      "@typescript-eslint/consistent-type-definitions": ["error", "interface"],
      "no-console": "error",
      // A name may be anything that somebody typed: it goes in as text, never as HTML.
      "vue/no-v-html": "error",
      "vue/no-static-inline-styles": ["error", { allowBinding: true }],
      "vue/block-lang": ["error", { script: { lang: "ts" } }],
      "vue/component-api-style": ["error", ["script-setup"]],
      "vue/max-attributes-per-line": "off",
      "vue/singleline-html-element-content-newline": "off",
      "vue/html-self-closing": "off",
      "vue/html-indent": "off",
      "vue/html-closing-bracket-newline": "off",
      "vue/multiline-html-element-content-newline": "off",
      "vue/attributes-order": "off",
      "vue/multi-word-component-names": "off",
    },
  },
  {
    // What comes out of a .vue file has no type for the lint; vue-tsc checks it instead.
    files: ["**/*.vue", "**/main.ts", "src/*/index.ts"],
    rules: {
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/no-useless-default-assignment": "off",
    },
  },
  {
    files: ["**/*.js", "tools/*.mjs"],
    ...ts.configs.disableTypeChecked,
    languageOptions: { globals: { ...globals.node } },
  },
  { files: ["src/phone/sw.ts"], languageOptions: { globals: { ...globals.serviceworker }, parserOptions: { projectService: false, project: "./tsconfig.sw.json" } } },
  { files: ["tests/**"], rules: { "compat/compat": "off", "@typescript-eslint/no-non-null-assertion": "off" } },
);
