/** How the calls between a querier and the query-frontend that it takes work from are named. */
export const QueryWorkCall = { take: 'query.take', answer: 'query.answer' } as const;
