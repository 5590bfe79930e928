import { expect, test } from "bun:test";

import { respondWith } from "../../support/origin.ts";
import { until } from "../../support/wait.ts";
import { get, wireScene } from "./fixture.ts";

const attackers = 2_000;

test(
  "thousands of clients that trickle heads and bodies time out, and block no other client",
  () =>
    wireScene(
      ({ body }, socket) => void socket.write(respondWith(`got ${body.length}`)),
      async ({ client, stage, origin }) => {
        let statuses: readonly string[] | undefined;
        const command = [process.execPath, `${import.meta.dirname}/attackers.ts`];
        let isOpen = false;
        const child = Bun.spawn([...command, String(stage.port), String(attackers)], {
          ipc(message) {
            if (message === "open") isOpen = true;
            else statuses = message as string[];
          },
          stderr: "inherit",
        });
        try {
          await until(() => isOpen, "the attackers to be connected", 10_000);
          let rounds = 0;
          const serve = async () => {
            const served = await client();
            while (statuses === undefined) {
              expect((await served.send(get()).readResponse("GET", 20_000)).status).toBe(200);
              rounds += 1;
            }
          };
          await Promise.all([1, 2, 3, 4].map(serve));
          // On a busy machine a reset may overtake a few responses.
          expect(statuses?.length).toBeGreaterThan(attackers / 2);
          expect(statuses?.filter((status) => status !== "408")).toEqual([]);
          expect(rounds).toBeGreaterThan(100);
          expect(origin.requests.every(({ method }) => method === "GET")).toBe(true);
          await until(() => stage.listener.active() === 0);
        } finally {
          child.kill();
          await child.exited;
        }
      },
      {
        clientTimeouts: { headMs: 3_000, bodyIdleMs: 3_000, keepAliveMs: 60_000 },
        // Not under test here; a busy machine may be slow.
        timeouts: { connectMs: 10_000, headMs: 20_000 },
      },
    ),
  30_000,
);
