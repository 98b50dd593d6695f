// Builds the style sheet, the script and the icons into src/kubedash/web/static/dist:
// content-hashed names, compressed beside the plain file, and manifest.json that maps
// the name a template uses to the hashed one. Called by hatch_build.py with the folder
// that holds node_modules.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const packages = path.resolve(process.argv[2], "node_modules");
const fetch = createRequire(path.join(packages, "anchor.js"));
const sass = fetch("sass");
const esbuild = fetch("esbuild");

const root = path.resolve(import.meta.dirname, "..");
const source = path.join(root, "src/kubedash/web/static");
const target = path.join(source, "dist");
// All of them know light-dark(), oklch(), nesting and @layer, so nothing is lowered.
const browsers = ["chrome123", "firefox121", "safari17.5"];

const tabler = {
  name: "tabler",
  setup(build) {
    build.onResolve({ filter: /^tabler$/ }, () => ({ path: "tabler", namespace: "tabler" }));
    build.onLoad({ filter: /.*/, namespace: "tabler" }, () => {
      const loadPaths = [path.join(packages, "@tabler/core/scss")];
      const { css } = sass.compile(path.join(source, "css/tabler.scss"), { loadPaths, quietDeps: true });
      return { contents: css, loader: "css", resolveDir: source };
    });
  },
};

async function bundle(entry) {
  const result = await esbuild.build({
    entryPoints: [path.join(source, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: browsers,
    legalComments: "none",
    logLevel: "warning",
    nodePaths: [packages],
    plugins: [tabler],
    loader: { ".svg": "dataurl" },
  });
  return Buffer.from(result.outputFiles[0].contents);
}

const manifest = {};

function keep(name, content) {
  const { name: stem, ext } = path.parse(name);
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const hashed = `${stem}-${hash}${ext}`;
  writeFileSync(path.join(target, hashed), content);
  writeFileSync(path.join(target, `${hashed}.gz`), gzipSync(content, { level: 9 }));
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  writeFileSync(path.join(target, `${hashed}.br`), brotliCompressSync(content, quality));
  manifest[name] = hashed;
}

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
keep("app.css", await bundle("css/app.css"));
keep("app.js", await bundle("js/app.js"));
// Only for pages with charts.
keep("charts.css", await bundle("css/charts.css"));
keep("charts.js", await bundle("js/charts.js"));
for (const icon of readdirSync(path.join(source, "icons")).sort()) {
  keep(icon, readFileSync(path.join(source, "icons", icon)));
}
writeFileSync(path.join(target, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
