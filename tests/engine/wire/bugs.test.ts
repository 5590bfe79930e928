import { expect, test } from "bun:test";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine } from "../../../src/engine/wire/deno.ts";
import { answerWith, startOrigin } from "../../support/origin.ts";
import { ask, RawClient } from "../../support/raw-client.ts";
import { stage } from "../../support/stage.ts";
import { until } from "../../support/wait.ts";
import { get } from "./scene.ts";

test.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", denoEngine],
] as const)(
  "a bug of ours at the end of an attempt is told, and leaves no client hanging, on %s",
  async (_, engine) => {
    const origin = await startOrigin(({ target }, socket) => {
      socket.write(target === "/cut" ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok" : answerWith("ok"));
      if (target === "/cut") socket.end();
    });
    const set = await stage(engine, { ports: [origin.port], retries: 0 });
    const { ended } = set;
    try {
      for (const target of ["/whole", "/cut"]) {
        ended.push = () => {
          ended.push = Array.prototype.push;
          throw new Error(`a bug at the end of ${target}`);
        };
        const client = await RawClient.connect(set.port);
        client.send(get(target));
        await until(() => client.isClosed, "the client to be let go");
        expect(String(set.bugs.pop())).toContain(`a bug at the end of ${target}`);
        expect((await ask(set.port, get("/next"))).body.toString()).toBe("ok");
      }
      await until(() => set.listener.active() === 0, "nothing to be under way");
    } finally {
      set.close();
      await origin.close();
    }
  },
);
