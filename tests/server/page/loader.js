/**
 * Lets tests import the page's modules as `#page/name.js`, from the folder that tsconfig.json names.
 * Started on its own, it prints that folder, for commands that take it as an argument.
 */

import { readFileSync } from "node:fs";
import { register } from "node:module";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";

const config = JSON.parse(readFileSync(new URL("tsconfig.json", import.meta.url), "utf8"));
const folder = new URL(config.compilerOptions.paths["#page/*"][0].replace("*", ""), import.meta.url);

/**
 * Resolves an import; what lies in the page's folder is a module, though no package.json there says so.
 * @type {import("node:module").ResolveHook}
 */
export async function resolve(specifier, context, next) {
  const found = specifier.startsWith("#page/") ? { url: new URL(specifier.slice("#page/".length), folder).href, shortCircuit: true } : await next(specifier, context);
  return found.url.startsWith(folder.href) ? { ...found, format: "module" } : found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(fileURLToPath(folder));
else if (isMainThread) register(import.meta.url);
