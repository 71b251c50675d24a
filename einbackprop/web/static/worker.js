// Python in a worker. The first message says where its files are, and what each must be; every later one is a question
// for einbackprop.web.session, and is answered under its number.

const held = new Map(); // responses by the name of the file, under way at once

const fetched = self.fetch.bind(self);

// Pyodide asks for its files by itself: it gets those whose digest was seen to.
self.fetch = async (address, options) => {
  const name = String(address.url ?? address).split("/").pop();
  if (!held.has(name)) return fetched(address, options);
  // whatever the host calls it: a browser compiles nothing else as it comes
  const type = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
  return new Response((await held.get(name)).body, { headers: { "Content-Type": type } });
};

/** Begin to fetch a file, which has to have a digest. */
function hold(name, url, integrity) {
  const response = fetched(url, { integrity }).then(
    (found) => {
      if (found.ok) return found;
      throw new Error(`${url} is not there (${found.status})`);
    },
    () => {
      throw new Error(`${url} cannot be had, or is not the file that it should be`);
    },
  );
  response.catch(() => {}); // told where it is waited for
  held.set(name, response);
}

async function imported(name) {
  const code = await (await self.fetch(name)).arrayBuffer();
  const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try {
    return await import(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}

const tell = (words) => self.postMessage({ loading: words });

async function start({ pyodide, bundle }) {
  for (const [name, { url, integrity }] of Object.entries({ ...pyodide, bundle })) hold(name, url, integrity);
  const wheel = Object.keys(pyodide).find((name) => name.endsWith(".whl"));
  tell("fetching Python");
  await Promise.all(Object.keys(pyodide).filter((name) => name !== wheel).map((name) => held.get(name)));
  const { loadPyodide } = await imported("pyodide.mjs");
  await imported("pyodide.asm.js"); // which would else be imported without its digest
  const core = pyodide["pyodide.mjs"].url;
  const lock = await (await self.fetch("pyodide-lock.json")).text();
  held.set("pyodide-lock.json", Promise.resolve(new Response(lock)));
  known = JSON.parse(lock).packages;
  python = await loadPyodide({ indexURL: core.slice(0, core.lastIndexOf("/") + 1) });
  tell("fetching NumPy");
  await held.get(wheel);
  await python.loadPackage(pyodide[wheel].url, { messageCallback: () => {}, errorCallback: (words) => console.error(words) });
  tell("starting einbackprop");
  python.FS.writeFile("/tmp/packages.zip", new Uint8Array(await (await self.fetch("bundle")).arrayBuffer()));
  held.clear();
  return python.runPython(`
import importlib, site, zipfile
with zipfile.ZipFile("/tmp/packages.zip") as packages:
    packages.extractall(site.getsitepackages()[0])
importlib.invalidate_caches()
from einbackprop.web import session
session
`);
}

/** Load the packages that the code imports, where Pyodide has them: their digests are in its lock file. */
async function load(packages, wanted) {
  const found = new Set();
  const add = (name) => {
    if (found.has(name) || !known[name]) return;
    found.add(name);
    known[name].depends.forEach(add);
  };
  for (const [name, { imports }] of Object.entries(known)) if (imports.some((word) => wanted.includes(word))) add(name);
  const names = [...found].filter((name) => !(name in python.loadedPackages) && !tried.has(name));
  if (!names.length) return;
  self.postMessage({ doing: `fetching ${names.join(", ")}` });
  for (const name of names) {
    tried.add(name);
    const { file_name: file, sha256 } = known[name];
    const bytes = sha256.match(/../g).map((byte) => String.fromCharCode(parseInt(byte, 16)));
    hold(file, packages + file, `sha256-${btoa(bytes.join(""))}`);
  }
  // what cannot be had is missed by the code's own import, which says so
  await python.loadPackage(names, { messageCallback: () => {}, errorCallback: () => {} }).catch(() => {});
}

let python, session, packages;
let known = {}; // packages by name
const tried = new Set();

self.onmessage = async ({ data }) => {
  if (data.site) {
    try {
      packages = data.site.packages;
      session = await start(data.site);
      self.postMessage({ ready: true });
    } catch (error) {
      self.postMessage({ failed: String(error.message ?? error) });
    }
    return;
  }
  try {
    const wanted = JSON.parse(session.absent(data.request));
    if (wanted.length) await load(packages, wanted);
    self.postMessage({ number: data.number, answer: JSON.parse(session.answered(data.request)) });
  } catch (error) {
    const last = String(error.message ?? error).trim().split("\n").pop();
    self.postMessage({ number: data.number, answer: { error: `Python stopped: ${last}`, marks: [] } });
  }
};
