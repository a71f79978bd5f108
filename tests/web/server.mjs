// A static host for the tests, with the policy that README.md states: serve({"/prefix/": folder}) -> {url, sent, ranges, close}.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

export const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self' blob:; " +
  "media-src 'self' blob:; style-src 'self'";
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
};
const SLOW_BYTES = 1000; // at a time, of ?slow=MILLISECONDS

export async function serve(folders) {
  const sent = {}; // bytes of bodies by path
  const ranges = {}; // asked for, by path
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    if (pathname === "/favicon.ico") return response.writeHead(204).end();
    const prefix = Object.keys(folders).find((prefix) => pathname.startsWith(prefix));
    const path = prefix && join(folders[prefix], decodeURIComponent(pathname.slice(prefix.length)));
    if (!path || !existsSync(path) || !statSync(path).isFile()) return response.writeHead(404).end();
    const size = statSync(path).size;
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec((!searchParams.has("plain") && request.headers.range) || "") ?? [];
    const [start, end] = first ? [Number(first), last ? Math.min(Number(last), size - 1) : size - 1] : [0, size - 1];
    response.writeHead(first ? 206 : 200, {
      "Content-Type": TYPES[extname(path)] ?? "application/octet-stream",
      "Content-Length": end - start + 1,
      "Content-Security-Policy": POLICY,
      "Accept-Ranges": searchParams.has("plain") ? "none" : "bytes",
      "Cache-Control": "no-store",
      ...(first && { "Content-Range": `bytes ${start}-${end}/${size}` }),
    });
    if (first) (ranges[pathname] ??= []).push([start, end + 1]);
    sent[pathname] = (sent[pathname] ?? 0) + end - start + 1;
    if (end < start) return response.end();
    const slow = Number(searchParams.get("slow"));
    const stream = createReadStream(path, { start, end, ...(slow && { highWaterMark: SLOW_BYTES }) });
    if (slow) stream.on("data", () => (stream.pause(), setTimeout(() => stream.resume(), slow)));
    return stream.pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://localhost:${server.address().port}`, sent, ranges, close: () => server.close() };
}
