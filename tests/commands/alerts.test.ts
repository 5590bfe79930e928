import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { AlertReceiver } from "../support/alert-receiver.ts";
import { alertSecret } from "../support/alerts.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { until } from "../support/wait.ts";

const room = new BalancerFixture();
let receiver: AlertReceiver;

beforeAll(async () => {
  receiver = await AlertReceiver.start();
  await room.startServers("a");
  const key = join(room.folder, "key");
  writeFileSync(key, alertSecret);
  const name = "Ticket robot";
  room.write(
    `alerts: [{ name: ${name}, url: "${receiver.url}", secretFile: ${key} }]\n${room.poolWith(["a"])}`,
  );
  await room.start();
});
afterAll(async () => {
  await room[Symbol.asyncDispose]();
  await receiver.stop();
});

async function run(...argv: string[]) {
  const program = room.programs.start([...room.command, ...argv, "--admin-url", room.admin], { USER: "ann" });
  const { code } = await program.exited;
  return { code, out: program.stdout, err: program.stderr };
}

describe("evenkeel alerts", () => {
  test("lists receivers, and tests one", async () => {
    const { code, out } = await run("alerts");
    expect(out).toMatch(
      /^1 receiver, none fails\.\n\nTicket robot {2}json {2}127\.0\.0\.1:\d+\/hook {2}Problems/,
    );
    expect(code).toBe(0);
    const tested = await run("alerts", "test", "Ticket robot");
    expect(tested.out).toMatch(/^Ticket robot took the test: status 200 in [\d.]+\sms: done\n$/);
    expect(tested.code).toBe(0);
    expect(receiver.received).toHaveLength(1);
  }, 30_000);

  test("exits with 1 for a receiver that does not take the test, and with 2 for one that is not there", async () => {
    receiver.reactions = [500];
    const failed = await run("alerts", "test", "Ticket robot");
    expect(failed).toMatchObject({
      code: 1,
      out: expect.stringContaining("did not take the test: status 500"),
    });
    const unknown = await run("alerts", "test", "nothing");
    expect(unknown).toEqual({
      code: 2,
      out: "",
      err: 'No receiver is named "nothing": the configuration has Ticket robot.\n',
    });
    const words = 'Cannot run evenkeel alerts: expected test, or no argument (received "tset").\n';
    expect((await run("alerts", "tset")).err).toBe(words);
    expect((await run("alerts", "test")).err).toContain("expected the name of one receiver");
  }, 30_000);
});

describe("evenkeel silence", () => {
  test("creates, lists and ends a silence", async () => {
    expect((await run("silence", "list")).out).toBe("Nothing is silenced.\n");
    const created = await run("silence", "--upstream", "a", "--for", "2h", "--reason", "kernel update");
    expect(created.out).toMatch(/^s-\w+ {2}upstream a {2}until \d\d:\d\d:\d\d.UTC, by \w+: kernel update\n$/);
    const [id = ""] = created.out.split(" ");
    expect((await run("silence", "list")).out).toBe(created.out);
    expect((await run("alerts")).out).toContain(`Silenced\n${created.out}`);
    expect(await run("silence", "end", id)).toMatchObject({ code: 0, out: `${id} has ended: upstream a\n` });
    expect((await run("silence", "end", id)).err).toBe(`No silence has the id "${id}".\n`);
    await until(async () => (await run("events")).out.includes("silence"));
    const long = await run("silence", "--upstream", "a", "--for", "20d", "--reason", "new kernel");
    expect(long.out).toMatch(/ {2}until \d{4}-\d\d-\d\d.\d\d:\d\d:\d\d.UTC, by \w+: new kernel\n$/);
    expect(await run("silence", "end", long.out.split(" ")[0] ?? "")).toMatchObject({ code: 0 });
  }, 60_000);

  test("names what is wrong", async () => {
    expect((await run("silence", "--pool", "main", "--reason", "x")).err).toBe(
      "Cannot silence: set one of for and until.\n",
    );
    expect((await run("silence", "stop")).err).toContain("expected list, end or flags");
    expect((await run("silence", "list", "--for", "1h")).err).toContain(
      "Cannot use --for: not allowed with list",
    );
    expect((await run("silence", "end")).err).toContain("expected the id of a silence");
  }, 30_000);
});
