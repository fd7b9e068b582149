// Holds live answers against /sentinel/v1/openapi.json of the server that gave them.
import assert from 'node:assert/strict';
import addFormats from 'ajv-formats';
import Ajv2020 from 'ajv/dist/2020.js';

const ID = 'sentinel:openapi';

export class OpenApi {
  /** Reads the document of `server` and compiles every schema in it: one that is malformed fails here. */
  static async of(server) {
    return new OpenApi(server, await server.get('/sentinel/v1/openapi.json'));
  }

  constructor(server, document) {
    this.server = server;
    this.document = document;
    this.used = new Set();
    // `type` may stand in the schema beside `allOf`; the rest of strict mode finds misspelt keywords.
    this.ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true });
    addFormats(this.ajv);
    this.ajv.addVocabulary(['openapi', 'info', 'servers', 'security', 'tags', 'paths', 'components']);
    this.ajv.addSchema({ ...document, $id: ID });
    for (const name of Object.keys(document.components.schemas)) this.schema(`#/components/schemas/${name}`);
  }

  schema(pointer) {
    return this.ajv.getSchema(ID + pointer) ?? this.ajv.compile({ $ref: ID + pointer });
  }

  matches(name, value) {
    const check = this.schema(`#/components/schemas/${name}`);
    assert.ok(check(value), `not a ${name}: ${this.ajv.errorsText(check.errors, { separator: '\n  ' })}\n  in ${JSON.stringify(value).slice(0, 600)}`);
  }

  /** The template that serves `path`: literals win over parameters, as in the router. */
  template(path) {
    const fits = (template) => new RegExp(`^${template.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path);
    return Object.keys(this.document.paths).filter(fits).sort((a, b) => a.split('{').length - b.split('{').length)[0];
  }

  /** Asks, and holds the body it sent and what came back against the document; gives the answer. */
  async ask(method, where, body, headers) {
    const path = where.split('?')[0];
    const template = this.template(path);
    assert.ok(template, `${path} is not described`);
    const operation = this.document.paths[template][method.toLowerCase()];
    assert.ok(operation, `${method} ${template} is not described`);
    const named = [...(this.document.paths[template].parameters ?? []), ...(operation.parameters ?? [])].map((p) => this.deref(p));
    for (const name of new URLSearchParams(where.split('?')[1] ?? '').keys())
      assert.ok(named.some((p) => p.in === 'query' && p.name === name), `${method} ${template} has no parameter ${name}`);
    const answer = await this.server.request(method, where, body, headers);
    const response = this.deref(operation.responses[answer.status] ?? operation.responses.default);
    const type = answer.type.split(';')[0];
    const media = response.content[type] ?? response.content['*/*'];
    assert.ok(media, `${method} ${where} answered ${answer.status} ${type}, described is ${Object.keys(response.content)}: ${answer.text.slice(0, 300)}`);
    if (/json$/.test(type) && media.schema.$ref) this.matches(media.schema.$ref.split('/').at(-1), answer.json);
    if (answer.status < 300) {
      if (body !== undefined && operation.requestBody.content['application/json']) this.matches(operation.requestBody.content['application/json'].schema.$ref.split('/').at(-1), body);
      this.used.add(operation.operationId);
    }
    return answer;
  }

  deref(value) {
    if (!value?.$ref) return value;
    return value.$ref
      .slice(2)
      .split('/')
      .reduce((at, name) => at[name], this.document);
  }
}
