/** Which texts of others may become links. */

/** With http or https, a host, and no user name, which could pass for a host. */
export function isWebUrl(text: string): boolean {
  if (!/^https?:\/\/[^\s/@\\]+(\/[^\s@\\]*)?$/i.test(text) || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && hostname !== "" && username === "" && password === "";
}
