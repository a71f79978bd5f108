/** The gallery's page: a card for each file that `gallery.json` names, a slider against what lies beside it, and a table. */

import "./inr/inr.js";

const files = await (await fetch("gallery.json")).json();
document.querySelector("#summary").textContent = `${files.length} file${files.length === 1 ? "" : "s"}, each decoded here.`;
document.querySelector("main").append(...files.map(card));

function card(file) {
  const figure = element("figure");
  const caption = element("figcaption", { textContent: described(file) });
  if (file.frames > 1 && file.rate) {
    const video = element("inr-video", { src: file.url, controls: "", "aria-label": file.name });
    figure.append(video, caption);
    return figure;
  }
  const image = element("inr-image", { src: file.url, alt: file.name });
  image.addEventListener("load", () => measure(file, image, caption));
  figure.append(...(file.beside.length ? slider(file, image) : [image]), caption);
  return figure;
}

function described({ name, width, height, frames, bytes, bpp, method }) {
  if (!width) return `${name}: ${method}, ${bytes.toLocaleString("en")} bytes`;
  const length = frames > 1 ? `, ${frames} frames` : "";
  return `${name}: ${method}, ${width}×${height}${length}, ${bytes.toLocaleString("en")} bytes, ${bpp.toFixed(3)} bpp`;
}

/** The decoded picture left of a cut, another one right of it. */
function slider(file, image) {
  const other = element("img", { src: file.beside[0].url, alt: `${file.name}, ${file.beside[0].name}` });
  const stack = element("div", { class: "compare" });
  stack.append(image, other, element("hr"));
  const cut = element("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, "aria-label": `cut of ${file.name}` });
  cut.oninput = () => stack.style.setProperty("--cut", `${cut.value}%`);
  const choice = element("select", { "aria-label": `what ${file.name} is compared with` });
  choice.append(...file.beside.map(({ name, bytes }) => element("option", { textContent: `${name}, ${bytes.toLocaleString("en")} bytes` })));
  choice.onchange = () => {
    const { url, name } = file.beside[choice.selectedIndex];
    Object.assign(other, { src: url, alt: `${file.name}, ${name}` });
  };
  const label = element("label");
  label.append("inr", cut, choice);
  return [stack, label];
}

/** Rows of the table: the file, and what lies beside it, against the PNG. */
async function measure(file, image, caption) {
  caption.textContent += `, ${image.decodeMs.toFixed(0)} ms`;
  const original = file.beside.find(({ name }) => name === "png");
  const wanted = original && (await pixelsOf(original.url));
  const decoded = image.pixels;
  row(file.name, file.method, file.bytes, file.bpp, wanted && psnr(wanted, decoded), image.decodeMs);
  for (const { name, url, bytes } of file.beside)
    if (name !== "png") {
      const pixels = wanted && (await pixelsOf(url));
      row(file.name, name, bytes, (8 * bytes) / (file.width * file.height), pixels && psnr(wanted, pixels));
    }
}

async function pixelsOf(url) {
  const bitmap = await createImageBitmap(await (await fetch(url)).blob(), { colorSpaceConversion: "none" });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

function psnr(a, b) {
  if (a.length !== b.length) return NaN;
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (i % 4 < 3) sum += (a[i] - b[i]) ** 2;
  return 10 * Math.log10(255 ** 2 / (sum / ((a.length / 4) * 3)));
}

function row(name, as, bytes, bpp, quality, ms) {
  const cells = [name, as, bytes.toLocaleString("en"), bpp.toFixed(3), quality?.toFixed(2) ?? "", ms?.toFixed(0) ?? ""];
  const made = element("tr");
  made.append(...cells.map((textContent) => element("td", { textContent })));
  document.querySelector("tbody").append(made);
}

function element(name, { textContent, ...attributes } = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (textContent !== undefined) made.textContent = textContent;
  return made;
}
