import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";

import { answerWith } from "../../support/origin.ts";
import { until } from "../../support/wait.ts";
import { get, wireScene } from "./scene.ts";

const attackers = 2_000;

test(
  "thousands of clients that trickle heads and bodies are timed out, and stop nobody else's service",
  () =>
    wireScene(
      ({ body }, socket) => void socket.write(answerWith(`got ${body.length}`)),
      async ({ client, stage, origin }) => {
        const sockets: Socket[] = [];
        const answers: string[] = [];
        let closed = 0;
        for (let i = 0; i < attackers; i++) {
          const socket = connect({ port: stage.port, host: "127.0.0.1" });
          socket.on("error", () => {}).on("close", () => (closed += 1));
          socket.on("data", (chunk: Buffer) => answers.push(chunk.toString("latin1", 9, 12)));
          socket.write(
            i % 2
              ? "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "
              : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
          );
          sockets.push(socket);
        }
        const trickle = setInterval(() => {
          for (const [i, socket] of sockets.entries()) if (i % 2 && !socket.destroyed) socket.write("x");
        }, 200);
        const served = await client();
        let rounds = 0;
        while (closed < attackers && rounds < 1_500) {
          const answer = await served.send(get()).answer();
          expect(answer.status).toBe(200);
          rounds += 1;
          if (rounds % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
        }
        clearInterval(trickle);
        await until(() => closed === attackers, "every attacker to be closed", 10_000);
        // A busy machine may let a reset overtake the one or other answer.
        expect(answers.length).toBeGreaterThan(attackers / 2);
        expect(answers.filter((status) => status !== "408")).toEqual([]);
        expect(rounds).toBeGreaterThan(0);
        expect(origin.requests.every(({ method }) => method === "GET")).toBe(true);
        for (const socket of sockets) socket.destroy();
        await until(() => stage.listener.active() === 0);
      },
      { clientTimeouts: { headMs: 1_000, bodyIdleMs: 1_000, keepAliveMs: 60_000 } },
    ),
  30_000,
);
