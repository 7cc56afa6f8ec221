/** What a Content-Type names. */

/** Where a slash stands between two words; what follows it is no matter of HTTP. */
const mediaType = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/;

/** Whether it names a type at all: what does not fastify refuses in words of its own, before any handler sees it. */
export function isMediaType(contentType: string): boolean {
  return mediaType.test(contentType);
}
