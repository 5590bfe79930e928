/** Which methods an address has, for whoever used another one. */

/** @param path of the request, still encoded */
export function methodsAt(
  routes: readonly { readonly method: string; readonly path: string }[],
  path: string,
): readonly string[] {
  return routes
    .filter((route) => isAt(route.path, path))
    .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
}

/** @param pattern as the router has it: "/api/upstreams/:id" */
function isAt(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return false;
  return wanted.every(
    (word, index) => word === given[index] || (word.startsWith(":") && given[index] !== ""),
  );
}
