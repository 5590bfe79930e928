/** The parts of other balancers on docs/migrating.md, read by these balancers where they are installed. */

import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parseAllDocuments } from "yaml";

import { TestAuthority } from "./support/acme-authority.ts";
import { exampleNames } from "./support/examples.ts";
import { temporaryFolder } from "./support/folder.ts";

const inFolder = temporaryFolder("migrating");
const page = readFileSync(join(import.meta.dirname, "../docs/migrating.md"), "utf8");
const sections = page.split(/^## /m).slice(2);

const partsOf = (language: string) =>
  sections.flatMap((section) =>
    [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(
      ([, text = ""]) => [section.split("\n")[0] ?? "", text] as const,
    ),
  );

async function run(
  ...command: readonly string[]
): Promise<{ readonly code: number; readonly output: string }> {
  const process = Bun.spawn([...command], { stdout: "pipe", stderr: "pipe" });
  const [output, error] = await Promise.all([process.stdout.text(), process.stderr.text()]);
  return { code: await process.exited, output: output + error };
}

/** The programs of administrators are not in everybody's path. */
const find = (name: string) => Bun.which(name) ?? Bun.which(name, { PATH: "/usr/sbin:/sbin" }) ?? "";
const [nginx, haproxy, caddy] = [find("nginx"), find("haproxy"), find("caddy")];

let folders = 0;
/** A folder with the certificates and files that the parts name. */
async function folderFor(part: string): Promise<string> {
  const folder = inFolder(String((folders += 1)));
  mkdirSync(join(folder, "certs"), { recursive: true });
  mkdirSync(join(folder, "pairs"));
  mkdirSync(join(folder, "logs"));
  const { cert, key } = await (await TestAuthority.create()).pair("shop.example.com");
  for (const name of ["shop", "blog", "app", "fullchain"])
    writeFileSync(join(folder, `certs/${name}.pem`), cert);
  for (const name of ["shop.key", "blog.key", "app.key", "privkey.pem"])
    writeFileSync(join(folder, "certs", name), key);
  writeFileSync(join(folder, "pairs/a.pem"), cert + key);
  writeFileSync(join(folder, "htpasswd"), "");
  writeFileSync(join(folder, "part"), part);
  return folder;
}

test("the page has a section for each example, with all five", () => {
  const titles = sections.map((section) => section.split("\n")[0]);
  const others = exampleNames.filter((name) => name !== "extensions");
  expect(titles).toHaveLength(others.length);
  for (const name of others) expect(page).toContain(`](../examples/${name})`);
  for (const section of sections)
    for (const language of ["yaml", "nginx", "caddy(?:file)?", "yml", "haproxy"])
      expect(section).toMatch(new RegExp(`^\`\`\`${language}$`, "m"));
});

describe("the parts of", () => {
  test.skipIf(!nginx)("NGINX are accepted by nginx -t", async () => {
    for (const [title, part] of partsOf("nginx")) {
      const folder = await folderFor(
        `pid ${inFolder("pid")};\nevents {}\nhttp {\naccess_log off;\n${part}\n}\n`,
      );
      const file = join(folder, "part");
      const { output } = await run(nginx, "-t", "-q", "-p", folder, "-e", "stderr", "-c", file);
      expect([title, output.replaceAll(/^.*\[(warn|notice)\].*\n/gm, "")]).toEqual([title, ""]);
    }
  });

  test.skipIf(!haproxy)("HAProxy are accepted by haproxy -c", async () => {
    const defaults =
      "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n";
    for (const [title, part] of partsOf("haproxy")) {
      const folder = await folderFor("");
      writeFileSync(
        join(folder, "part"),
        defaults + part.replaceAll("/etc/haproxy/certs/", join(folder, "pairs")),
      );
      const { code, output } = await run(haproxy, "-c", "-f", join(folder, "part"));
      expect([title, code, code === 0 ? "" : output]).toEqual([title, 0, ""]);
    }
  });

  test.skipIf(!caddy)("Caddy are accepted by caddy adapt", async () => {
    for (const [title, part] of partsOf("caddy")) {
      const file = join(await folderFor(part), "part");
      const { code, output } = await run(caddy, "adapt", "--adapter", "caddyfile", "--config", file);
      expect([title, code, code === 0 ? "" : output]).toEqual([title, 0, ""]);
    }
  });

  test("Traefik are YAML, and name no service or middleware that is not there", () => {
    for (const [title, part] of partsOf("yml")) {
      const documents = parseAllDocuments(part);
      for (const document of documents) expect([title, document.errors]).toEqual([title, []]);
      const { http } = (documents.at(-1)?.toJS() ?? {}) as {
        http: Record<string, Record<string, Record<string, unknown>>>;
      };
      for (const router of Object.values(http["routers"] ?? {})) {
        expect(Object.keys(http["services"] ?? {})).toContain(router["service"] as string);
        for (const name of (router["middlewares"] ?? []) as string[])
          expect(Object.keys(http["middlewares"] ?? {})).toContain(name);
      }
    }
  });
});
