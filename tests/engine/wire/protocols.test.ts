import { expect, test } from "bun:test";
import { connect } from "node:http2";

import { ListenerMeter } from "../../../src/metrics/listener-meter.ts";
import { respondWith } from "../../support/origin.ts";
import { sendRequest } from "../../support/raw-client.ts";
import { until } from "../../support/wait.ts";
import { get, wireScene } from "./fixture.ts";

test("records and counters name the listener and the HTTP version of each request", () => {
  const meter = new ListenerMeter();
  return wireScene(
    (_, socket) => void socket.write(respondWith("ok")),
    async ({ stage }) => {
      await sendRequest(stage.port, get("/one"));
      await sendRequest(stage.port, "GET /zero HTTP/1.0\r\n\r\n");
      await sendRequest(stage.port, "GET / HTTP/1.1\r\n\r\n");
      const session = connect(`http://127.0.0.1:${stage.port}`);
      for (const path of ["/two", "/three"]) {
        const stream = session.request({ ":path": path });
        await new Promise((resolve) => stream.resume().on("end", resolve));
      }
      session.destroy();
      await until(() => stage.records.length === 5, "all records");
      expect(stage.records.map(({ target, protocol, listener }) => [target, protocol, listener])).toEqual([
        ["/one", "http/1.1", "inner"],
        ["/zero", "http/1.0", "inner"],
        ["", "http/1.1", "inner"],
        ["/two", "h2", "inner"],
        ["/three", "h2", "inner"],
      ]);
      expect(meter.requests).toEqual([
        ["http/1.0", 1],
        ["http/1.1", 2],
        ["h2", 2],
      ]);
    },
    { listener: { name: "inner", http2: true, meter } },
  );
});
