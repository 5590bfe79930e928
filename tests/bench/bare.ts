/**
 * `bun tests/bench/bare.ts <port> <upstreams>`: forwards bytes round-robin without parsing them. It is not a proxy but the
 * lower bound of one: the cost of the kernel and the runtime's sockets. The length of the first response gives the end of
 * each later one, since all are equal.
 */

import { originPorts } from "./peers.ts";

interface Upstream {
  readonly upstreamIndex: number;
  client: Bun.Socket<undefined> | undefined;
  receivedBytes: number;
}

const [port = 0, upstreams = 3] = process.argv.slice(2).map(Number);
const bodyBytes = 120;
const idle = Array.from({ length: upstreams }, (): Bun.Socket<Upstream>[] => []);
let turn = 0;
let responseBytes = 0;

const handlers: Bun.SocketHandler<Upstream> = {
  data(socket, chunk) {
    const { data } = socket;
    if (responseBytes === 0) responseBytes = chunk.indexOf("\r\n\r\n") + 4 + bodyBytes;
    data.receivedBytes += chunk.length;
    data.client?.write(chunk);
    if (data.receivedBytes < responseBytes) return;
    data.receivedBytes = 0;
    data.client = undefined;
    idle[data.upstreamIndex]?.push(socket);
  },
  close(socket) {
    const waiting = idle[socket.data.upstreamIndex] ?? [];
    const found = waiting.indexOf(socket);
    if (found >= 0) waiting.splice(found, 1);
  },
};

Bun.listen<undefined>({
  hostname: "127.0.0.1",
  port,
  socket: {
    data(client, chunk) {
      const upstreamIndex = turn++ % upstreams;
      const upstream = idle[upstreamIndex]?.pop();
      if (!upstream) return connect(upstreamIndex, client, Buffer.from(chunk));
      upstream.data.client = client;
      upstream.write(chunk);
    },
  },
});

function connect(upstreamIndex: number, client: Bun.Socket<undefined>, request: Buffer): void {
  void Bun.connect<Upstream>({
    hostname: "127.0.0.1",
    port: originPorts[upstreamIndex % originPorts.length] as number,
    data: { upstreamIndex, client, receivedBytes: 0 },
    socket: { ...handlers, open: (socket) => void socket.write(request) },
  });
}
