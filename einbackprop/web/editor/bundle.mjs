// Bundles editor.mjs, with all that it imports, into ../static/editor.js, or into the folder that is given, and writes
// the licences of what is in it beside it. `npm ci` comes first.

import { build } from "esbuild";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2] ?? join(here, "..", "static");

const made = await build({
  absWorkingDir: here,
  entryPoints: ["editor.mjs"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  write: false,
  logLevel: "warning",
});

const packages = new Set();
for (const input of Object.keys(made.metafile.inputs)) {
  const parts = input.split("/");
  const at = parts.lastIndexOf("node_modules");
  if (at >= 0) packages.add(parts.slice(at + 1, parts[at + 1].startsWith("@") ? at + 3 : at + 2).join("/"));
}

const licences = [...packages].sort().map((name) => {
  const root = join(here, "node_modules", ...name.split("/"));
  const about = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const file = readdirSync(root).find((file) => /^licen[cs]e/i.test(file));
  if (file === undefined) throw new Error(`${name} has no licence`);
  return `${name} ${about.version} (${about.license})\n\n${readFileSync(join(root, file), "utf8").trim()}\n`;
});

writeFileSync(join(folder, "editor.js"), made.outputFiles[0].contents);
writeFileSync(join(folder, "LICENSES.txt"), "What editor.js is made of, beside einbackprop's own.\n\n"
  + licences.join(`\n${"-".repeat(80)}\n\n`));
