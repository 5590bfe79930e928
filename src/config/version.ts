/** The version of this program, from package.json, so that it is written down once. */

import manifest from "../../package.json" with { type: "json" };

export const version: string = manifest.version;
