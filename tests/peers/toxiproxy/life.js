// The life of a proxy and of every toxic, told line by line as JSON: node life.js API UPSTREAM, where UPSTREAM echoes what it is sent.
"use strict";

const net = require("node:net");
const { Toxiproxy } = require("toxiproxy-node-client");

const [api, upstream] = process.argv.slice(2);
const say = (what, value) => console.log(JSON.stringify([what, value]));

// Sends a word through the proxy. `bytes`: what came back; `end`: EOF, an errno's name, or open after `wait` ms; `ms`: until then.
function exchange(listen, { wait = 10000, fin = false } = {}) {
  const port = Number(listen.split(":").pop());
  const began = Date.now();
  return new Promise((resolve) => {
    let bytes = "";
    const socket = net.connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    const done = (end) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ bytes, end, ms: Date.now() - began });
    };
    const timer = setTimeout(() => done("open"), wait);
    socket.on("connect", () => (fin ? socket.end("a word") : socket.write("a word")));
    socket.on("data", (data) => {
      bytes += data;
      if (bytes === "a word" && !fin) done("open");
    });
    socket.on("end", () => done("EOF"));
    socket.on("error", (error) => done(error.code));
  });
}

const TOXICS = [
  ["latency", { latency: 300, jitter: 0 }],
  ["bandwidth", { rate: 0 }, { wait: 300 }],
  ["slow_close", { delay: 300 }, { fin: true }],
  ["timeout", { timeout: 300 }],
  ["reset_peer", { timeout: 300 }],
  ["slicer", { average_size: 2, size_variation: 1, delay: 10000 }],
  ["limit_data", { bytes: 3 }],
];

async function main() {
  const toxiproxy = new Toxiproxy(api);
  say("version", JSON.parse(await toxiproxy.getVersion()).version);

  const proxy = await toxiproxy.createProxy({ name: "p", listen: "localhost:0", upstream });
  say("created", (await exchange(proxy.listen)).bytes);
  say("the same", [(await toxiproxy.get("p")).listen === proxy.listen, Object.keys(await toxiproxy.getAll()).includes("p")]);
  await toxiproxy.createProxy({ name: "p", listen: "localhost:0", upstream }).catch((error) => say("again", error.message));

  for (const [type, attributes, how] of TOXICS) {
    const body = { name: `my ${type}`.replace(" ", "_"), type, stream: "downstream", toxicity: 1, attributes };
    const toxic = await proxy.addToxic(body);
    say(type, await exchange(proxy.listen, how));
    const changed = await toxic.update({ ...body, toxicity: 0 });
    say(`${type} of nobody`, [changed.toxicity, (await exchange(proxy.listen)).bytes]);
    say(`${type} is kept`, (await proxy.getToxic(body.name)).toJson());
    await toxic.remove();
    await proxy.getToxic(body.name).catch((error) => say(`${type} is gone`, error.message));
  }

  const off = await proxy.update({ enabled: false, listen: proxy.listen, upstream });
  say("disabled", [off.enabled, (await exchange(proxy.listen)).end]);
  await toxiproxy.reset();
  say("reset", (await exchange(proxy.listen)).bytes);
  const made = await toxiproxy.populate([proxy.toJson(), { name: "q", listen: "localhost:0", upstream }]);
  say("populated", [Object.keys(made), (await exchange(made.q.listen)).bytes]);
  await proxy.remove();
  await toxiproxy.get("p").catch((error) => say("removed", error.message));
  say("refused", (await exchange(proxy.listen)).end);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
