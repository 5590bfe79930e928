import { describe, expect, test } from "bun:test";

import { OrderFailure } from "../../src/acme/failure.ts";
import { orderRecorder } from "../../src/control/certificate-orders.ts";
import type { NewEvent } from "../../src/control/event-log.ts";

function setUp() {
  const events: NewEvent[] = [];
  const lines: string[] = [];
  const line = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const recorder = orderRecorder({
    eventLog: {
      add(event) {
        events.push(event);
        return { seq: 0, at: 0, ...event };
      },
    },
    log: { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") },
  });
  return { recorder, events, lines };
}

const expiresAt = Date.UTC(2030, 5, 30);
const failure = new OrderFailure("challenge_failed", "no such name");
const failed = (failures: number, isRenewal: boolean) => ({
  ...{ host: "shop.test", failure, failures, isRenewal, nextAt: Date.UTC(2030, 5, 1, 12) },
  expiresAt: isRenewal ? expiresAt : undefined,
});

describe("of orders, there is an event", () => {
  test("for a self-signed certificate, the first one, and each renewal", () => {
    const { recorder, events, lines } = setUp();
    recorder.placeholderShown("shop.test");
    recorder.issued({ host: "shop.test", expiresAt, isRenewal: false, isEarly: false });
    recorder.issued({ host: "shop.test", expiresAt, isRenewal: true, isEarly: true });
    expect(events.map(({ kind, to, reason, detail }) => [kind, to, reason, detail])).toEqual([
      [
        "certificate",
        "self-signed",
        "certificate_missing",
        "shop.test: until the authority has issued a certificate",
      ],
      ["certificate", "issued", "certificate_issued", "shop.test: expires on 2030-06-30"],
      ["certificate", "renewed", "certificate_renewed", "shop.test: expires on 2030-06-30"],
    ]);
    expect(lines.at(-1)).toBe("warn certificate not valid yet");
  });

  test("for the first failed renewal and the third failure in a row, and a line for every failure", () => {
    const { recorder, events, lines } = setUp();
    for (let failures = 1; failures <= 5; failures++) recorder.failed(failed(failures, true));
    expect(events.map(({ to, reason }) => [to, reason])).toEqual(
      Array<[string, string]>(2).fill(["failed", "challenge_failed"]),
    );
    expect(events[1]?.detail).toBe(
      "shop.test: no such name; next order at 2030-06-01T12:00:00.000Z; the current certificate expires on 2030-06-30",
    );
    expect(lines).toEqual(Array<string>(5).fill("warn certificate not renewed"));
  });

  test("for the third failure of a first order, and for no earlier one", () => {
    const { recorder, events } = setUp();
    for (let failures = 1; failures <= 5; failures++) recorder.failed(failed(failures, false));
    expect(events).toHaveLength(1);
  });
});
