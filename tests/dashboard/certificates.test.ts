import { describe, expect, test } from "bun:test";

import { rotationIn } from "../../src/client/decoders.ts";
import { listedCertificates } from "../../src/dashboard/certificates/certificate-list.ts";
import { anchorOf } from "../../src/dashboard/responses.ts";
import { certificatesHeadline, renewalText } from "../../src/wording/certificates.ts";
import { certificateOf, orderOf, withCertificates } from "../support/certificate-fixture.ts";
import { DashboardScene, linksIn, textOf } from "../support/dashboard-scene.ts";
import { calmSnapshot } from "../support/fake-admin-api.ts";
import { troubledFleet } from "../support/fleet-fixture.ts";
import { until } from "../support/wait.ts";

const minuteMs = 60_000;
const dayMs = 86_400_000;

describe("the renewal of a certificate", () => {
  const certificate = certificateOf({ names: ["a.example"], days: 41 });
  const failure = { reason: "challenge_failed", detail: "no such name", at: 0 };
  const now = Date.now();
  const soon = now + 2 * 60 * minuteMs;
  const time = `${new Date(soon).toISOString().slice(11, 19)} UTC`;
  const cases: [string, Parameters<typeof renewalText>[1], string, string[]][] = [
    ["from a file", undefined, "From a file: you renew it", ["/var/lib/evenkeel/acme/a.example/cert.pem"]],
    [
      "in order",
      orderOf("a.example", { nextOrderAt: now + 3 * dayMs }),
      `Renews by itself from ${new Date(now + 3 * dayMs).toISOString().slice(0, 10)}`,
      [],
    ],
    ["under way", orderOf("a.example", { isOrdering: true }), "Is being renewed now", []],
    [
      "failed once",
      orderOf("a.example", { failures: 1, failure, nextOrderAt: soon }),
      "Renewal failed once: the authority could not verify the host",
      [`Next order at ${time}, in 2 h`, "Cause: no such name"],
    ],
    [
      "failed, and tried again now",
      orderOf("a.example", { failures: 5, failure, isOrdering: true }),
      "Renewal failed 5 times: the authority could not verify the host",
      ["An order is under way", "Cause: no such name"],
    ],
    [
      "of a first order that failed",
      orderOf("a.example", { expiresAt: null, failures: 2, failure, nextOrderAt: now - 1 }),
      "The first order failed twice: the authority could not verify the host",
      ["Next order now", "Cause: no such name"],
    ],
    [
      "of a first order to come",
      orderOf("a.example", { expiresAt: null, nextOrderAt: now }),
      "Self-signed until the authority has issued one",
      ["Next order now"],
    ],
    [
      "for a reason of a later version",
      orderOf("a.example", { failures: 1, failure: { ...failure, reason: "moon" }, nextOrderAt: now }),
      "Renewal failed once: moon",
      ["Next order now", "Cause: no such name"],
    ],
  ];
  test.each(cases)("%s", (_, order, text, details) => {
    const told = renewalText(certificate, order, now);
    expect([told.text, told.details.map((detail) => detail.replaceAll("\u00a0", " "))]).toEqual([
      text,
      details,
    ]);
  });
});

test.each([
  [0, 0, "No certificate yet"],
  [1, 0, "The certificate is in order"],
  [7, 0, "All 7 certificates are in order"],
  [7, 1, "1 of 7 certificates needs attention"],
  [7, 2, "2 of 7 certificates need attention"],
])("of %p certificates %p need attention: %p", (all, troubled, text) =>
  expect(certificatesHeadline({ all, troubled })).toBe(text),
);

describe("the list of certificates", () => {
  test("has the problems first, then what ends first", () =>
    expect(listedCertificates(withCertificates()).map(({ certificate, tone }) => [certificate.names[0], tone])).toEqual([
      ["legacy.example.com", "bad"],
      ["api.example.com", "calm"],
      ["shop.example.com", "good"],
      ["static.example.com", "good"],
      ["www.example.com", "good"],
    ])); // prettier-ignore

  test("tells the certificate of the authority from a file for the same host", () => {
    const file = certificateOf({ names: ["a.example"], days: 80, source: "/etc/a.pem" });
    const issued = certificateOf({ names: ["a.example"], days: 41 });
    const snapshot = { ...calmSnapshot(), certificates: [file, { ...issued, fingerprint: "b" }] };
    const listed = listedCertificates({ ...snapshot, orders: [orderOf("a.example")] });
    expect(listed.map(({ order }) => order?.host)).toEqual(["a.example", undefined]);
  });

  test.each([
    ["a self-signed one", certificateOf({ names: ["a.example"], days: 300, source: "self-signed for a.example" }), orderOf("a.example", { expiresAt: null }), "bad"],
    ["one that ends soon", certificateOf({ names: ["a.example"], days: 5 }), undefined, "warn"],
    ["one that is not valid yet", { ...certificateOf({ names: ["a.example"], days: 90 }), status: "early" as const }, undefined, "bad"],
  ] as const)("marks %s also where no problem is listed", (_, certificate, order, tone) => {
    const snapshot = { ...calmSnapshot(), certificates: [certificate], orders: order ? [order] : [] };
    expect(listedCertificates(snapshot).map((listed) => listed.tone)).toEqual([tone]);
  }); // prettier-ignore

  test("has one line for a file that several entries name", () => {
    const one = certificateOf({ names: ["a.example"], days: 41, source: "/etc/a.pem" });
    expect(listedCertificates({ ...calmSnapshot(), certificates: [one, { ...one }] })).toHaveLength(1);
  });
});

describe("the page of certificates", () => {
  test("says what ends when, from where, and how renewal goes, without JavaScript", async () => {
    await using scene = await DashboardScene.start(withCertificates());
    const html = await (await scene.ask("/certificates")).text();
    expect(html).not.toMatch(/<script>|<style|\sstyle=|\son\w+=/);
    const text = textOf(html);
    for (const part of [
      "2 of 5 certificates need attention",
      "legacy.example.com expired on",
      "Critical Clients refuse to connect: the certificate for legacy.example.com ended at 09:14",
      "Coming up: The certificate for api.example.com was not renewed",
      "api.example.com, 9 days",
      "and 1 more, 61 days",
      "Renewal failed twice: the authority could not verify the host Next order at",
      "Cause: no TXT record at _acme-challenge.api.example.com",
      "www.example.com +2 names file ec",
      "Authority letsencrypt",
      "secure (0.0.0.0:443)",
    ])
      expect(text).toContain(part);
    expect(text).not.toContain("plain (0.0.0.0:80)");
    expect(html).toContain(`id="${anchorOf("certificate", "api.example.com")}"`);
    const links = linksIn(html);
    for (const link of ["/certificates.csv", "/certificates.json", "/events?kind=certificate"])
      expect(links).toContain(link);
  });

  test("is in the navigation of every page of a balancer with TLS, and of no other one", async () => {
    await using scene = await DashboardScene.start(withCertificates());
    const paths = ["/", "/routes", "/history", "/alerts", "/events", "/audit", "/config", "/requests", "/requests/dry-run"]; // prettier-ignore
    for (const path of paths)
      expect([path, linksIn(await (await scene.ask(path)).text()).includes("/certificates")]).toEqual([path, true]);
    expect(linksIn(await (await scene.ask("/")).text())).toContain("/certificates#certificate-legacy.example.com");
    await using other = await DashboardScene.start();
    for (const path of paths) expect(await (await other.ask(path)).text()).not.toContain('href="/certificates"');
    expect(textOf(await (await other.ask("/certificates")).text())).toContain("No listener of this balancer uses TLS.");
  }); // prettier-ignore

  test("names who orders in a fleet", async () => {
    await using scene = await DashboardScene.start({ ...withCertificates(), fleet: troubledFleet() });
    expect(textOf(await (await scene.ask("/certificates")).text())).toContain(
      "one balancer of the fleet shop at a time; the others get the result",
    );
  });

  test("renews itself by a part, which says from when it is in an outage", async () => {
    await using scene = await DashboardScene.start(withCertificates());
    const part = () => scene.ask("/certificates", { "HX-Request": "true" });
    const first = await (await part()).text();
    expect(first).not.toContain("<html");
    expect(textOf(first)).toContain("2 of 5 certificates need attention");
    scene.admin.respond = (_, response) => void response.writeHead(503).end();
    let text = "";
    await until(async () => {
      text = textOf(await (await part()).text());
      return text.includes("What is shown was read at");
    }, "the outage on the page");
    expect(text).toContain("Cannot read the events.");
    expect(text).toContain("2 of 5 certificates need attention");
  });

  test.each([
    [{ changed: ["/etc/a.pem"], removed: ["/etc/b.pem"], refused: [] }, "/etc/a.pem has another certificate, which clients get from now on. /etc/b.pem is no longer used."],
    [{ changed: [], removed: [], refused: [] }, "The files were read again. Nothing has changed."],
    [{ changed: [], removed: [], refused: [{ path: "/etc/a.key", source: "/etc/a.pem", why: "the key does not match" }] }, "/etc/a.key was not taken: the key does not match. The present certificate stays."],
  ])("reads the files again, and says what came of it: %j", async (report, text) => {
    await using scene = await DashboardScene.start(withCertificates());
    scene.admin.rotation = report;
    const response = await scene.send("/certificates/reload");
    expect(response.status).toBe(200);
    expect(textOf(await response.text())).toContain(text);
  }); // prettier-ignore

  test("says why the files could not be read again, and keeps its address", async () => {
    await using scene = await DashboardScene.start(withCertificates());
    scene.admin.rotation = undefined;
    const refused = await scene.send("/certificates/reload");
    expect([refused.status, textOf(await refused.text())]).toEqual([
      422,
      expect.stringContaining("Cannot read the files again. Cannot do this: the role operator is required."),
    ]);
    const still = await scene.ask("/certificates/reload");
    expect([still.status, still.headers.get("location")]).toEqual([303, "/certificates"]);
  });

  test("has the same rows as files", async () => {
    await using scene = await DashboardScene.start(withCertificates());
    const [heading, first, second] = (await (await scene.ask("/certificates.csv")).text()).split("\r\n");
    expect(heading).toBe("names,from,source,keyType,validFrom,expiresAt,status,renewal,nextOrder,failedOrders,fingerprint"); // prettier-ignore
    expect(first).toStartWith("legacy.example.com,file,/etc/evenkeel/legacy.pem,ec,");
    expect(second).toMatch(
      /^api\.example\.com,letsencrypt,.*,"Renewal failed twice: .*; Cause: no TXT record/s,
    );
    const json = (await (await scene.ask("/certificates.json")).json()) as {
      certificates: { order: unknown }[];
    };
    expect(json.certificates.map(({ order }) => order !== null)).toEqual([false, true, true, true, false]);
  });
});

test("what is no report of a rotation is not understood", () => {
  expect(rotationIn({ changed: [], removed: [] })).toBeUndefined();
  expect(rotationIn({ changed: "all", removed: [], refused: [] })).toBeUndefined();
});
