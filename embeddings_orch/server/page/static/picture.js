/** The picture of a query: read from a file, made small enough to send, kept for reload and back. */

const LARGEST = 1024; // pixels a side, more than any model looks at
const AS_IS = 1_500_000; // bytes of a file that is sent unchanged
const SENT = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const kept = new Map();

/** The name under which a file's picture is kept; throws with a message for people. */
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
  const name = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  put(name, { base64, label: file.name || "picture", small: drawn(bitmap, 112) });
  bitmap.close();
  try {
    const names = JSON.parse(sessionStorage.getItem("pictures") ?? "[]");
    for (const old of names.splice(0, Math.max(0, names.length - 3))) sessionStorage.removeItem(`picture-${old}`);
    sessionStorage.setItem(`picture-${name}`, JSON.stringify({ base64, label: file.name || "picture" }));
    sessionStorage.setItem("pictures", JSON.stringify([...names, name]));
  } catch {
    // Storage is full or off: the picture is lost when the page is reloaded.
  }
  return name;
}

/** {base64, label, small: canvas} of a name, null where it is gone. */
export async function keptPicture(name) {
  if (name === null || kept.has(name)) return kept.get(name) ?? null;
  try {
    const { base64, label } = JSON.parse(sessionStorage.getItem(`picture-${name}`));
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]));
    put(name, { base64, label, small: drawn(bitmap, 112) });
  } catch {
    return null;
  }
  return kept.get(name);
}

/** The first picture among dropped or pasted things, null where there is none. */
export function pictureOf(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}

function put(name, picture) {
  kept.set(name, picture);
  if (kept.size > 8) kept.delete(kept.keys().next().value);
}

function drawn(bitmap, side) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function scaled(bitmap) {
  // WebP keeps what is see-through; a browser that cannot write it gives a PNG.
  return new Promise((done) => drawn(bitmap, LARGEST).toBlob(done, "image/webp", 0.95));
}

function encoded(blob) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => fail(new Error("The picture cannot be read."));
    reader.readAsDataURL(blob);
  });
}
