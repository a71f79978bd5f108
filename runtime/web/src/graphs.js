/** A profile's graphs, run by onnxruntime-web: by WebGPU where that is there and as exact, or else in WebAssembly. */

import { BitstreamError } from "./wire.js";

const GPU = { module: "ort.jspi.min.mjs", provider: "webgpu" };
const WASM = { module: "ort.wasm.min.mjs", provider: "wasm" };
// Not exact enough there (WGSL bounds the error of sines in -pi ... pi alone, by 2^-11), of integers, or of graphs that
// onnxruntime-web 1.30 fails on there, with shapes that are none (`hinerv`, `nvrc`).
const LEFT_TO_WASM = ["Sin", "Cos", "QLinearConv", "BitwiseXor", "Resize"];
const ERRORS = 3; // of a session's log, and what is worse
const [GRAPH, NODE, OPERATOR] = [7, 1, 4]; // fields of ONNX

const text = (data) => new TextDecoder().decode(data);
let running = Promise.resolve();

/** What uses the GPU, one after the other. */
function alone(task) {
  const ran = running.then(task);
  running = ran.catch(() => {});
  return ran;
}

export class Graphs {
  #models;
  #folder;
  #engine;
  #sessions;

  /** Of the bytes of graphs; `exact`: not on a GPU. */
  static async of(models, folder, exact) {
    const made = new Graphs();
    made.#models = models;
    made.#folder = folder;
    const begun = !exact && (await gpu(models)) && (await alone(() => made.#load(GPU)).then(() => true, () => false));
    if (!begun) await made.#load(WASM);
    return made;
  }

  get length() {
    return this.#models.length;
  }

  get provider() {
    return this.#engine.provider;
  }

  async #load(engine) {
    const ort = await runtime(this.#folder, engine.module);
    const options = { executionProviders: [engine.provider], graphOptimizationLevel: "extended", logSeverityLevel: ERRORS };
    const sessions = [];
    for (const model of this.#models) sessions.push(await ort.InferenceSession.create(model, options));
    this.#engine = { ...engine, ort };
    this.#sessions = sessions;
  }

  /** The i-th graph's only output {data, dims}, of the inputs {data, dims}, floats, that it names. Throws BitstreamError. */
  async run(i, feeds) {
    try {
      return await (this.provider === "wasm" ? this.#run(i, feeds) : alone(() => this.#tried(i, feeds)));
    } catch (error) {
      throw new BitstreamError(`the decoder graph failed on this file's tensors: ${error.message}`);
    }
  }

  /** On the GPU; once that has failed in WebAssembly. */
  async #tried(i, feeds) {
    try {
      return await this.#run(i, feeds);
    } catch (error) {
      if (this.provider === "wasm") throw error;
      await this.#load(WASM);
      return this.#run(i, feeds);
    }
  }

  async #run(i, feeds) {
    const session = this.#sessions[i];
    const { Tensor } = this.#engine.ort;
    const tensor = ({ data, dims }) => new Tensor("float32", data, dims);
    const taken = Object.fromEntries(session.inputNames.map((name) => [name, tensor(feeds[name])]));
    return (await session.run(taken))[session.outputNames[0]];
  }
}

/** Whether the browser has a GPU for these graphs, and stacks that can wait for it (JSPI). */
async function gpu(models) {
  if (!WebAssembly.Suspending || !globalThis.navigator?.gpu) return false;
  if (models.some((model) => operators(model).some((name) => LEFT_TO_WASM.includes(name)))) return false;
  return Boolean(await navigator.gpu.requestAdapter().catch(() => null));
}

async function runtime(folder, module) {
  let ort;
  try {
    ort = await import(new URL(module, folder).href);
  } catch (error) {
    throw new Error(`this method needs onnxruntime-web in ${folder.href}: ${error.message}`);
  }
  ort.env.wasm.wasmPaths = folder.href;
  ort.env.wasm.numThreads = 1; // more would need cross-origin isolation, and scripts from blobs
  return ort;
}

function operators(model) {
  const graphs = [...fields(model)].filter(([number]) => number === GRAPH);
  const nodes = graphs.flatMap(([, graph]) => [...fields(graph)].filter(([number]) => number === NODE));
  return nodes.flatMap(([, node]) => [...fields(node)].filter(([number]) => number === OPERATOR).map(([, name]) => text(name)));
}

/** [number, value] of a protobuf message's fields of bytes. */
export function* fields(message) {
  let at = 0;
  const varint = () => {
    for (let value = 0, unit = 1; ; unit *= 128) {
      value += (message[at] & 127) * unit;
      if (message[at++] < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const kind = key % 8;
    if (kind === 0) varint();
    else if (kind === 2) {
      const size = varint();
      yield [Math.floor(key / 8), message.subarray(at, at + size)];
      at += size;
    } else at += kind === 1 ? 8 : 4;
  }
}
