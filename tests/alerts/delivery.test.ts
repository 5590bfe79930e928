import { expect, test } from "bun:test";

import { deliver } from "../../src/alerts/delivery.ts";
import { type Schedule, systemClock, systemSchedule, systemWallClock } from "../../src/lib/clock.ts";
import { AlertReceiver } from "../support/alert-receiver.ts";

const told = { body: "{}", headers: { "Content-Type": "application/json" } };

const deliverTo = (port: number, addresses: readonly string[], schedule: Schedule = systemSchedule) =>
  deliver({ url: `http://ops.example.com:${port}/hook`, ca: undefined, allowLinkLocal: false }, told, {
    ...{ clock: systemClock, schedule, wallClock: systemWallClock },
    signal: new AbortController().signal,
    resolve: () => Promise.resolve(addresses),
  });

test("a receiver is reached at the address that accepts, whichever stands first", async () => {
  await using receiver = await AlertReceiver.start();
  // Nothing listens on the first one.
  expect(await deliverTo(receiver.port, ["127.0.0.2", "127.0.0.1"])).toMatchObject({ kind: "sent" });
  expect(await deliverTo(receiver.port, ["169.254.1.1", "127.0.0.1"])).toMatchObject({ kind: "sent" });
  expect(receiver.received).toHaveLength(2);
  expect(await deliverTo(receiver.port, ["127.0.0.2", "127.0.0.3"])).toMatchObject({
    kind: "failed",
    reason: "connect_refused",
  });
  expect(await deliverTo(receiver.port, ["169.254.1.1"])).toMatchObject({ reason: "link_local" });
  expect(await deliverTo(receiver.port, [])).toMatchObject({ reason: "name_unknown" });
});

test("a receiver that answered gets an alert once, whatever it answered", async () => {
  await using receiver = await AlertReceiver.start();
  receiver.reactions = [(response) => void response.destroy()];
  expect(await deliverTo(receiver.port, ["127.0.0.1", "127.0.0.1"])).toMatchObject({ kind: "failed" });
  expect(receiver.received).toHaveLength(1);
});

test("what a receiver says is shown on one line, without characters that turn or hide text", async () => {
  await using receiver = await AlertReceiver.start();
  receiver.reactions = [(response) => void response.end("\u001b[31mall\u202eevil\u200b\r\n\u0000well")];
  expect((await deliverTo(receiver.port, ["127.0.0.1"])).text).toBe("[31mall evil well");
});

test("a receiver that takes an alert and never ends its answer has taken it", async () => {
  await using receiver = await AlertReceiver.start();
  receiver.reactions = [(response) => void response.writeHead(202).write("on my way")];
  const quick: Schedule = (ms, callback) => systemSchedule(ms / 50, callback);
  expect(await deliverTo(receiver.port, ["127.0.0.1"], quick)).toMatchObject({
    ...{ kind: "sent", status: 202, text: "on my way" },
  });
  receiver.reactions = [() => {}];
  expect(await deliverTo(receiver.port, ["127.0.0.1"], quick)).toMatchObject({
    ...{ kind: "failed", reason: "timeout", status: null },
  });
});
