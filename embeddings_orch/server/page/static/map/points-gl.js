/** Draws the points with WebGL; null where there is none, or only one that a program imitates. */

/** @import {Plane} from "./plane.js" */

const VERTEX = `
attribute vec2 place;
attribute vec4 colour;
uniform vec4 view;
uniform mediump float size;
varying vec4 inked;
void main() {
  inked = colour;
  gl_Position = vec4(place * view.xy + view.zw, 0.0, 1.0);
  gl_PointSize = colour.a > 0.0 ? size : 0.0;
}`;
const FRAGMENT = `
precision mediump float;
varying vec4 inked;
uniform mediump float size;
void main() {
  float away = length(gl_PointCoord - 0.5) * size;
  float cover = clamp(size * 0.5 - away, 0.0, 1.0) * inked.a;
  if (cover <= 0.0) discard;
  gl_FragColor = vec4(inked.rgb * cover, cover);
}`;

export class PointsGl {
  name = "WebGL";

  /** With a canvas of its own, or null. */
  static make() {
    const canvas = document.createElement("canvas");
    const gl = canvas.getContext("webgl", { antialias: false, failIfMajorPerformanceCaveat: true });
    return gl && !imitated(gl) ? new PointsGl(canvas, gl) : null;
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {WebGLRenderingContext} gl
   */
  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    this.number = 0;
    const program = gl.createProgram();
    gl.attachShader(program, compiled(gl, gl.VERTEX_SHADER, VERTEX));
    gl.attachShader(program, compiled(gl, gl.FRAGMENT_SHADER, FRAGMENT));
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.view = gl.getUniformLocation(program, "view");
    this.size = gl.getUniformLocation(program, "size");
    this.places = bound(gl, program, "place", 2, gl.UNSIGNED_SHORT);
    this.colours = bound(gl, program, "colour", 4, gl.UNSIGNED_BYTE);
  }

  /**
   * Takes the points.
   * @param {Uint16Array<ArrayBuffer>} places x, y of each, from 0 to 65535
   * @param {Uint8Array<ArrayBuffer>} colours red, green, blue, alpha of each
   */
  load(places, colours) {
    const { gl } = this;
    this.number = places.length / 2;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
    this.paint(colours);
  }

  /**
   * Takes other colours.
   * @param {Uint8Array<ArrayBuffer>} colours
   */
  paint(colours) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.colours);
    gl.bufferData(gl.ARRAY_BUFFER, colours, gl.DYNAMIC_DRAW);
  }

  /**
   * Draws all points.
   * @param {Plane} plane
   * @param {number} size CSS pixels across
   * @param {number} ratio pixels of the canvas a CSS pixel
   */
  draw(plane, size, ratio) {
    const { gl } = this;
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
    const [left, top] = plane.toScreen(0, 0);
    const [wide, high] = [(2 * plane.side * ratio) / width, (2 * plane.side * ratio) / height];
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform4f(this.view, wide, -high, (2 * left * ratio) / width - 1, 1 - (2 * top * ratio) / height);
    gl.uniform1f(this.size, size * ratio);
    gl.drawArrays(gl.POINTS, 0, this.number);
  }
}

/**
 * @param {WebGLRenderingContext} gl
 * @param {number} type
 * @param {string} source
 */
function compiled(gl, type, source) {
  const shader = gl.createShader(type);
  if (!shader) throw new Error("The graphics card cannot draw the map.");
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  return shader;
}

/**
 * A buffer for an attribute of the points.
 * @param {WebGLRenderingContext} gl
 * @param {WebGLProgram} program
 * @param {string} name
 * @param {number} numbers a point
 * @param {number} type of the numbers
 */
function bound(gl, program, name, numbers, type) {
  const place = gl.getAttribLocation(program, name);
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, numbers, type, true, 0, 0);
  return buffer;
}

/**
 * Whether a program on the CPU stands in for the graphics card; then writing pixels is faster.
 * @param {WebGLRenderingContext} gl
 */
function imitated(gl) {
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  const name = told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : gl.getParameter(gl.RENDERER);
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(String(name));
}
