/** The picture of a query: read from a file, made small enough to send, kept for reload and back. */

import { pen } from "../base/dom.js";

/** @typedef {{base64: string, label: string, small: HTMLCanvasElement}} Picture */

const LARGEST = 1024; // pixels a side, more than any model looks at
const SMALL = 112; // pixels a side of what is shown in the search box
const AS_IS = 1_500_000; // bytes of a file that is sent unchanged
const SENT = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/** @type {Map<string, Picture>} */
const kept = new Map();

/**
 * The name under which a file's picture is kept; throws with a message for people.
 * @param {File} file
 */
export async function keep(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name ? `“${file.name}”` : "This"} is not a picture that this browser can read. Try a PNG, JPEG or WebP file.`);
  }
  const large = Math.max(bitmap.width, bitmap.height) > LARGEST;
  const blob = !large && file.size <= AS_IS && SENT.includes(file.type) ? file : await scaled(bitmap);
  const base64 = await encoded(blob);
  const label = file.name || "picture";
  const name = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  put(name, { base64, label, small: drawn(bitmap, SMALL) });
  bitmap.close();
  try {
    const names = JSON.parse(sessionStorage.getItem("pictures") ?? "[]");
    for (const old of names.splice(0, Math.max(0, names.length - 3))) sessionStorage.removeItem(`picture-${old}`);
    sessionStorage.setItem(`picture-${name}`, JSON.stringify({ base64, label }));
    sessionStorage.setItem("pictures", JSON.stringify([...names, name]));
  } catch {
    // Storage is full or off: the picture is lost when the page is reloaded.
  }
  return name;
}

/**
 * The picture of a name, null where it is gone.
 * @param {string | null} name
 * @returns {Promise<Picture | null>}
 */
export async function keptPicture(name) {
  if (name === null) return null;
  const found = kept.get(name);
  if (found) return found;
  try {
    const { base64, label } = JSON.parse(sessionStorage.getItem(`picture-${name}`) ?? "null");
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]));
    return put(name, { base64, label, small: drawn(bitmap, SMALL) });
  } catch {
    return null;
  }
}

/**
 * The first picture among dropped or pasted things, null where there is none.
 * @param {{files: Iterable<File>} | null} transfer
 */
export function pictureOf(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}

/**
 * @param {string} name
 * @param {Picture} picture
 */
function put(name, picture) {
  kept.set(name, picture);
  const [oldest] = kept.keys();
  if (kept.size > 8 && oldest !== undefined) kept.delete(oldest);
  return picture;
}

/**
 * @param {ImageBitmap} bitmap
 * @param {number} side
 */
function drawn(bitmap, side) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = pen(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * @param {ImageBitmap} bitmap
 * @returns {Promise<Blob>}
 */
function scaled(bitmap) {
  return new Promise((done, fail) => {
    const take = (/** @type {Blob | null} */ blob) => (blob ? done(blob) : fail(new Error("The picture cannot be made smaller.")));
    // WebP keeps what is see-through; a browser that cannot write it gives a PNG.
    drawn(bitmap, LARGEST).toBlob(take, "image/webp", 0.95);
  });
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>} base64
 */
function encoded(blob) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => {
      const address = String(reader.result);
      done(address.slice(address.indexOf(",") + 1));
    };
    reader.onerror = () => fail(new Error("The picture cannot be read."));
    reader.readAsDataURL(blob);
  });
}
