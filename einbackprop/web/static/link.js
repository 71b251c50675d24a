// Code in the fragment of an address, which a browser sends to nobody: compressed, in the letters that stand in an address.

const MOST = 1_000_000; // characters of code that are taken from a link

/** The fragment for what is to be linked to: its code, and what else there is as text by name. */
export async function fragmentOf({ code, ...more }) {
  const bytes = await through(new TextEncoder().encode(code), new CompressionStream("deflate-raw"));
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const packed = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return `#${new URLSearchParams({ code: packed, ...more })}`;
}

/** What a fragment holds, null if it holds no code; no code, and that it is `broken`, where that cannot be read. */
export async function heldIn(fragment) {
  const { code, ...more } = Object.fromEntries(new URLSearchParams(fragment.replace(/^#/, "")));
  if (!code) return null;
  try {
    const binary = atob(code.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return { code: new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw"))), ...more };
  } catch {
    return { code: "", broken: true };
  }
}

async function through(bytes, stream) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts = [];
  let size = 0;
  for (let part; !(part = await reader.read()).done; ) {
    parts.push(part.value);
    size += part.value.length;
    if (size > MOST) throw new RangeError("too long");
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
