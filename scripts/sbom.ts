/** Prints the software bill of materials of the executable (CycloneDX): `bun scripts/sbom.ts`. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

interface Component {
  "bom-ref": string;
  name: string;
  type: string;
  version: string;
  purl: string;
}

export interface BillOfMaterials {
  readonly bomFormat: "CycloneDX";
  readonly metadata: { readonly component: Component };
  readonly components: Component[];
  readonly dependencies: { readonly ref: string; readonly dependsOn: string[] }[];
}

/**
 * The packages of `npm sbom`, and the runtime, which npm takes for a tool of the developers: the build puts Bun and what it
 * contains into the executable.
 */
export function billOfMaterials(): BillOfMaterials {
  const words = ["sbom", "--omit", "dev", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const text = execFileSync("npm", words, { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 });
  const bill = JSON.parse(text) as BillOfMaterials;
  const { component } = bill.metadata;
  // npm takes the name of the folder.
  Object.assign(component, { name: "evenkeel", type: "application" });
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version?: string; integrity?: string; license?: string }>;
  };
  const bun = lock.packages["node_modules/bun"];
  if (!bun?.version) throw new Error("Cannot list the runtime: package-lock.json has no bun");
  const ref = `bun@${bun.version}`;
  bill.components.push({
    "bom-ref": ref,
    type: "platform",
    name: "bun",
    version: bun.version,
    purl: `pkg:npm/bun@${bun.version}`,
    ...(bun.license && { licenses: [{ license: { id: bun.license } }] }),
  });
  bill.dependencies.find(({ ref: from }) => from === component["bom-ref"])?.dependsOn.push(ref);
  return bill;
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(billOfMaterials(), undefined, 2)}\n`);
