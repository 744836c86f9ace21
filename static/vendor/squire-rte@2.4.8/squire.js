"use strict";
(() => {
  var ft = () => !0,
    T = class {
      constructor(t, e, n) {
        this.root = t, this.currentNode = t, this.nodeType = e, this.filter = n || ft;
      }
      isAcceptableNode(t) {
        let e = t.nodeType;
        return !!((e === Node.ELEMENT_NODE ? 1 : e === Node.TEXT_NODE ? 4 : 0) & this.nodeType) && this.filter(t);
      }
      nextNode() {
        let t = this.root, e = this.currentNode, n;
        for (;;) {
          for (n = e.firstChild; !n && e && e !== t;) n = e.nextSibling, n || (e = e.parentNode);
          if (!n) return null;
          if (this.isAcceptableNode(n)) return this.currentNode = n, n;
          e = n;
        }
      }
      previousNode() {
        let t = this.root, e = this.currentNode, n;
        for (;;) {
          if (e === t) return null;
          if (n = e.previousSibling, n) { for (; e = n.lastChild;) n = e; }
          else n = e.parentNode;
          if (!n) return null;
          if (this.isAcceptableNode(n)) return this.currentNode = n, n;
          e = n;
        }
      }
      previousPONode() {
        let t = this.root, e = this.currentNode, n;
        for (;;) {
          for (n = e.lastChild; !n && e && e !== t;) n = e.previousSibling, n || (e = e.parentNode);
          if (!n) return null;
          if (this.isAcceptableNode(n)) return this.currentNode = n, n;
          e = n;
        }
      }
    };
  var ee = navigator.userAgent,
    fe = /Mac OS X/.test(ee),
    ue = /Windows NT/.test(ee),
    be = /iP(?:ad|hone|od)/.test(ee) || fe && !!navigator.maxTouchPoints,
    Mt = /Android/.test(ee),
    qe = /Gecko\//.test(ee),
    re = /Edge\//.test(ee),
    ut = !re && /WebKit\//.test(ee),
    y = fe || be ? "Meta-" : "Ctrl-",
    oe = ut,
    Ue = "onbeforeinput" in document && "inputType" in new InputEvent("input"),
    B = /[^ \t\r\n\u200B]/;
  var gt =
      /^(?:#text|A(?:BBR|CRONYM)?|B(?:R|D[IO])?|C(?:ITE|ODE)|D(?:ATA|EL|FN)|EM|FONT|HR|I(?:FRAME|MG|NPUT|NS)?|KBD|Q|R(?:P|T|UBY)|S(?:AMP|MALL|PAN|TR(?:IKE|ONG)|U[BP])?|TIME|U|VAR|WBR)$/,
    Nt = new Set(["BR", "HR", "IFRAME", "IMG", "INPUT"]),
    St = 0,
    Le = 1,
    We = 2,
    ze = 3,
    he = new WeakMap(),
    me = () => {
      he = new WeakMap();
    },
    H = (i) => Nt.has(i.nodeName),
    ke = (i) => {
      switch (i.nodeType) {
        case 8:
        case 3:
          return Le;
        case 1:
        case 11:
          if (he.has(i)) return he.get(i);
          break;
        default:
          return St;
      }
      let t;
      return Array.from(i.childNodes).every(g) ? gt.test(i.nodeName) ? t = Le : t = We : t = ze, he.set(i, t), t;
    },
    g = (i) => ke(i) === Le,
    q = (i) => ke(i) === We,
    X = (i) => ke(i) === ze;
  var m = (i, t, e) => {
      let n = document.createElement(i);
      if (t instanceof Array && (e = t, t = null), t) {
        for (let o in t) {
          let s = t[o];
          s !== void 0 && n.setAttribute(o, s);
        }
      }
      return e && e.forEach((o) => n.appendChild(o)), n;
    },
    ye = (i, t) =>
      H(i) || i.nodeType !== t.nodeType || i.nodeName !== t.nodeName
        ? !1
        : i instanceof HTMLElement && t instanceof HTMLElement
        ? i.nodeName !== "A" && i.className === t.className && i.style.cssText === t.style.cssText
        : !0,
    pe = (i, t, e) => {
      if (i.nodeName !== t) return !1;
      for (let n in e) if (!("getAttribute" in i) || i.getAttribute(n) !== e[n]) return !1;
      return !0;
    },
    N = (i, t, e, n) => {
      for (; i && i !== t;) {
        if (pe(i, e, n)) return i;
        i = i.parentNode;
      }
      return null;
    },
    ge = (i, t) => {
      let e = i.childNodes;
      for (; t && i instanceof Element;) i = e[t - 1], e = i.childNodes, t = e.length;
      return i;
    },
    Oe = (i, t) => {
      let e = i;
      if (e instanceof Element) {
        let n = e.childNodes;
        if (t < n.length) e = n[t];
        else {
          for (; e && !e.nextSibling;) e = e.parentNode;
          e && (e = e.nextSibling);
        }
      }
      return e;
    },
    R = (i) =>
      i instanceof Element || i instanceof DocumentFragment
        ? i.childNodes.length
        : i instanceof CharacterData
        ? i.length
        : 0,
    E = (i) => {
      let t = document.createDocumentFragment(), e = i.firstChild;
      for (; e;) t.appendChild(e), e = i.firstChild;
      return t;
    },
    S = (i) => {
      let t = i.parentNode;
      return t && t.removeChild(i), i;
    },
    k = (i, t) => {
      let e = i.parentNode;
      e && e.replaceChild(t, i);
    };
  var Et = (i) => i instanceof Element ? i.nodeName === "BR" : B.test(i.data),
    te = (i, t) => {
      let e = i.parentNode;
      for (; g(e);) e = e.parentNode;
      let n = new T(e, 5, Et);
      return n.currentNode = i, !!n.nextNode() || t && !n.previousNode();
    },
    le = (i, t) => {
      let e = new T(i, 4), n, o;
      for (; n = e.nextNode();) {
        for (; (o = n.data.indexOf("\u200B")) > -1 && (!t || n.parentNode !== t);) {
          if (n.length === 1) {
            let s = n, r = s.parentNode;
            for (; r && (r.removeChild(s), e.currentNode = r, !(!g(r) || R(r)));) s = r, r = s.parentNode;
            break;
          } else n.deleteData(o, 1);
        }
      }
    };
  var Tt = 0,
    _t = 1,
    Ct = 2,
    vt = 3,
    z = (i, t, e) => {
      let n = document.createRange();
      if (n.selectNode(t), e) {
        let o = i.compareBoundaryPoints(vt, n) > -1, s = i.compareBoundaryPoints(_t, n) < 1;
        return !o && !s;
      } else {
        let o = i.compareBoundaryPoints(Tt, n) < 1, s = i.compareBoundaryPoints(Ct, n) > -1;
        return o && s;
      }
    },
    _ = (i) => {
      let { startContainer: t, startOffset: e, endContainer: n, endOffset: o } = i;
      for (; !(t instanceof Text);) {
        let s = t.childNodes[e];
        if (!s || H(s)) {
          if (e && (s = t.childNodes[e - 1], s instanceof Text)) {
            let r = s, l;
            for (; !r.length && (l = r.previousSibling) && l instanceof Text;) r.remove(), r = l;
            t = r, e = r.data.length;
          }
          break;
        }
        t = s, e = 0;
      }
      if (o) {
        for (; !(n instanceof Text);) {
          let s = n.childNodes[o - 1];
          if (!s || H(s)) {
            if (s && s.nodeName === "BR" && !te(s, !1)) {
              o -= 1;
              continue;
            }
            break;
          }
          n = s, o = R(n);
        }
      } else {for (; !(n instanceof Text);) {
          let s = n.firstChild;
          if (!s || H(s)) break;
          n = s;
        }}
      i.setStart(t, e), i.setEnd(n, o);
    },
    K = (i, t, e, n) => {
      let o = i.startContainer, s = i.startOffset, r = i.endContainer, l = i.endOffset, a;
      for (t || (t = i.commonAncestorContainer), e || (e = t); !s && o !== t && o !== n;) {
        a = o.parentNode, s = Array.from(a.childNodes).indexOf(o), o = a;
      }
      for (
        ;
        !(r === e || r === n ||
          (r.nodeType !== 3 && r.childNodes[l] && r.childNodes[l].nodeName === "BR" && !te(r.childNodes[l], !1) &&
            (l += 1),
            l !== R(r)));
      ) a = r.parentNode, l = Array.from(a.childNodes).indexOf(r) + 1, r = a;
      i.setStart(o, s), i.setEnd(r, l);
    },
    Be = (i, t, e) => {
      let n = N(i.endContainer, e, t);
      if (n && (n = n.parentNode)) {
        let o = i.cloneRange();
        K(o, n, n, e),
          o.endContainer === n && (i.setStart(o.endContainer, o.endOffset), i.setEnd(o.endContainer, o.endOffset));
      }
      return i;
    };
  var x = (i) => {
      let t = null;
      if (i instanceof Text) return i;
      if (g(i)) {
        let e = i.firstChild;
        if (oe) { for (; e && e instanceof Text && !e.data;) i.removeChild(e), e = i.firstChild; }
        e || (oe ? t = document.createTextNode("\u200B") : t = document.createTextNode(""));
      } else if (
        (i instanceof Element || i instanceof DocumentFragment) && !i.querySelector("BR") &&
        !B.test(i.textContent || "")
      ) {
        t = m("BR");
        let e = i, n;
        for (; (n = e.lastElementChild) && !g(n);) e = n;
        i = e, i instanceof HTMLElement && i.contentEditable === "true" && (i = m("DIV"), e.appendChild(i));
      }
      if (t) {
        try {
          i.appendChild(t);
        } catch (e) {}
      }
      return i;
    },
    D = (i, t) => {
      let e = null;
      return /^(?:TABLE|TBODY|TR|TH|TD|P)/.test(i.nodeName) || (Array.from(i.childNodes).forEach((n) => {
        let o = n.nodeName === "BR";
        !o && g(n)
          ? (e || (e = m("DIV")), e.appendChild(n))
          : (o || e) && (e || (e = m("DIV")), x(e), o ? i.replaceChild(e, n) : i.insertBefore(e, n), e = null),
          X(n) && D(n, t);
      }),
        e && i.appendChild(x(e))),
        i;
    },
    I = (i, t, e, n) => {
      if (!e.contains(i)) throw new Error("split: stopNode does not contain node");
      if (i instanceof Text && i !== e) {
        if (typeof t != "number") throw new Error("Offset must be a number to split text node!");
        if (!i.parentNode) throw new Error("Cannot split text node with no parent!");
        return I(i.parentNode, i.splitText(t), e, n);
      }
      let o = typeof t == "number" ? t < i.childNodes.length ? i.childNodes[t] : null : t, s = i.parentNode;
      if (!s || i === e || !(i instanceof Element)) return o;
      let r = i.cloneNode(!1);
      for (; o;) {
        let l = o.nextSibling;
        r.appendChild(o), o = l;
      }
      return i instanceof HTMLOListElement && N(i, n, "BLOCKQUOTE") &&
        (r.start = (+i.start || 1) + i.childNodes.length - 1),
        x(i),
        x(r),
        s.insertBefore(r, i.nextSibling),
        I(s, r, e, n);
    },
    Ke = (i, t) => {
      let e = i.childNodes, n = e.length, o = [];
      for (; n--;) {
        let s = e[n], r = n ? e[n - 1] : null;
        if (r && g(s) && ye(s, r)) {
          t.startContainer === s && (t.startContainer = r, t.startOffset += R(r)),
            t.endContainer === s && (t.endContainer = r, t.endOffset += R(r)),
            t.startContainer === i &&
            (t.startOffset > n
              ? t.startOffset -= 1
              : t.startOffset === n && (t.startContainer = r, t.startOffset = R(r))),
            t.endContainer === i &&
            (t.endOffset > n ? t.endOffset -= 1 : t.endOffset === n && (t.endContainer = r, t.endOffset = R(r))),
            S(s),
            s instanceof Text ? r.appendData(s.data) : o.push(E(s));
        } else if (s instanceof Element) {
          let l;
          for (; l = o.pop();) s.appendChild(l);
          Ke(s, t);
        }
      }
    },
    ne = (i, t) => {
      let e = i instanceof Text ? i.parentNode : i;
      if (e instanceof Element) {
        let n = {
          startContainer: t.startContainer,
          startOffset: t.startOffset,
          endContainer: t.endContainer,
          endOffset: t.endOffset,
        };
        Ke(e, n), t.setStart(n.startContainer, n.startOffset), t.setEnd(n.endContainer, n.endOffset);
      }
    },
    V = (i, t, e, n) => {
      let o = t, s, r;
      for (; (s = o.parentNode) && s !== n && s instanceof Element && s.childNodes.length === 1;) o = s;
      S(o), r = i.childNodes.length;
      let l = i.lastChild;
      l && l.nodeName === "BR" && (i.removeChild(l), r -= 1),
        i.appendChild(E(t)),
        e.setStart(i, r),
        e.collapse(!0),
        ne(i, e);
    },
    P = (i, t) => {
      let e = i.previousSibling, n = i.firstChild, o = i.nodeName === "LI";
      if (!(o && (!n || !/^[OU]L$/.test(n.nodeName)))) {
        if (e && ye(e, i)) {
          if (!X(e)) {
            if (o) {
              let r = m("DIV");
              r.appendChild(E(e)), e.appendChild(r);
            } else return;
          }
          S(i);
          let s = !X(i);
          e.appendChild(E(i)), s && D(e, t), n && P(n, t);
        } else if (o) {
          let s = m("DIV");
          i.insertBefore(s, n), x(s);
        }
      }
    };
  var $e = {
      "font-weight": {
        regexp: /^bold|^700/i,
        replace() {
          return m("B");
        },
      },
      "font-style": {
        regexp: /^italic/i,
        replace() {
          return m("I");
        },
      },
      "font-family": {
        regexp: B,
        replace(i, t) {
          let e = m("SPAN", { class: i.fontFamily });
          return e.style.fontFamily = t, e;
        },
      },
      "font-size": {
        regexp: B,
        replace(i, t) {
          let e = m("SPAN", { class: i.fontSize });
          return e.style.fontSize = t, e;
        },
      },
      "text-decoration": {
        regexp: /^underline/i,
        replace() {
          return m("U");
        },
      },
    },
    xt = (i, t, e) => {
      let n = i.style, o, s;
      for (let r in $e) {
        let l = $e[r], a = n.getPropertyValue(r);
        if (a && l.regexp.test(a)) {
          let d = l.replace(e.classNames, a);
          if (d.nodeName === i.nodeName && d.className === i.className) continue;
          s || (s = d), o && o.appendChild(d), o = d, i.style.removeProperty(r);
        }
      }
      return s && o && (o.appendChild(E(i)), i.style.cssText ? i.appendChild(s) : k(i, s)), o || i;
    },
    Ne = (i) => (t, e) => {
      let n = m(i), o = t.attributes;
      for (let s = 0, r = o.length; s < r; s += 1) {
        let l = o[s];
        n.setAttribute(l.name, l.value);
      }
      return e.replaceChild(n, t), n.appendChild(E(t)), n;
    },
    bt = { 1: "10", 2: "13", 3: "16", 4: "18", 5: "24", 6: "32", 7: "48" },
    Lt = {
      STRONG: Ne("B"),
      EM: Ne("I"),
      INS: Ne("U"),
      STRIKE: Ne("S"),
      SPAN: xt,
      FONT: (i, t, e) => {
        let n = i, o = n.face, s = n.size, r = n.color, l = e.classNames, a, d, c, f, u;
        return o && (a = m("SPAN", { class: l.fontFamily }), a.style.fontFamily = o, u = a, f = a),
          s &&
          (d = m("SPAN", { class: l.fontSize }),
            d.style.fontSize = bt[s] + "px",
            u || (u = d),
            f && f.appendChild(d),
            f = d),
          r && /^#?([\dA-F]{3}){1,2}$/i.test(r) &&
          (r.charAt(0) !== "#" && (r = "#" + r),
            c = m("SPAN", { class: l.color }),
            c.style.color = r,
            u || (u = c),
            f && f.appendChild(c),
            f = c),
          (!u || !f) && (u = f = m("SPAN")),
          t.replaceChild(u, n),
          f.appendChild(E(n)),
          f;
      },
      TT: (i, t, e) => {
        let n = m("SPAN", {
          class: e.classNames.fontFamily,
          style: 'font-family:menlo,consolas,"courier new",monospace',
        });
        return t.replaceChild(n, i), n.appendChild(E(i)), n;
      },
    },
    Rt =
      /^(?:A(?:DDRESS|RTICLE|SIDE|UDIO)|BLOCKQUOTE|CAPTION|D(?:[DLT]|IV)|F(?:IGURE|IGCAPTION|OOTER)|H[1-6]|HEADER|L(?:ABEL|EGEND|I)|O(?:L|UTPUT)|P(?:RE)?|SECTION|T(?:ABLE|BODY|D|FOOT|H|HEAD|R)|COL(?:GROUP)?|UL)$/,
    kt = /^(?:HEAD|META|STYLE)/,
    Se = (i, t, e) => {
      let n = i.childNodes, o = i;
      for (; g(o);) o = o.parentNode;
      let s = new T(o, 5);
      for (let r = 0, l = n.length; r < l; r += 1) {
        let a = n[r], d = a.nodeName, c = Lt[d];
        if (a instanceof HTMLElement) {
          let f = a.childNodes.length;
          if (c) a = c(a, i, t);
          else if (kt.test(d)) {
            i.removeChild(a), r -= 1, l -= 1;
            continue;
          } else if (!Rt.test(d) && !g(a)) {
            r -= 1, l += f - 1, i.replaceChild(E(a), a);
            continue;
          }
          f && Se(a, t, e || d === "PRE");
        } else {
          if (a instanceof Text) {
            let f = a.data, u = !B.test(f.charAt(0)), p = !B.test(f.charAt(f.length - 1));
            if (e || !u && !p) continue;
            if (u) {
              s.currentNode = a;
              let h;
              for (; (h = s.previousPONode()) && !(h.nodeName === "IMG" || h instanceof Text && B.test(h.data));) {
                if (!g(h)) {
                  h = null;
                  break;
                }
              }
              f = f.replace(/^[ \t\r\n]+/g, h ? " " : "");
            }
            if (p) {
              s.currentNode = a;
              let h;
              for (; (h = s.nextNode()) && !(h.nodeName === "IMG" || h instanceof Text && B.test(h.data));) {
                if (!g(h)) {
                  h = null;
                  break;
                }
              }
              f = f.replace(/[ \t\r\n]+$/g, h ? " " : "");
            }
            if (f) {
              a.data = f;
              continue;
            }
          }
          i.removeChild(a), r -= 1, l -= 1;
        }
      }
      return i;
    },
    Ee = (i) => {
      let t = i.childNodes, e = t.length;
      for (; e--;) {
        let n = t[e];
        n instanceof Element && !H(n)
          ? (Ee(n), g(n) && !n.firstChild && i.removeChild(n))
          : n instanceof Text && !n.data && i.removeChild(n);
      }
    },
    ae = (i, t, e) => {
      let n = i.querySelectorAll("BR"), o = [], s = n.length;
      for (let r = 0; r < s; r += 1) o[r] = te(n[r], e);
      for (; s--;) {
        let r = n[s], l = r.parentNode;
        l && (o[s] ? g(l) || D(l, t) : S(r));
      }
    },
    De = (i) => i.split("&").join("&amp;").split("<").join("&lt;").split(">").join("&gt;").split('"').join("&quot;");
  var ce = (i, t) => {
      let e = new T(t, 1, q);
      return e.currentNode = i, e;
    },
    W = (i, t) => {
      let e = ce(i, t).previousNode();
      return e !== t ? e : null;
    },
    M = (i, t) => {
      let e = ce(i, t).nextNode();
      return e !== t ? e : null;
    },
    de = (i) => !i.textContent && !i.querySelector("IMG");
  var v = (i, t) => {
      let e = i.startContainer, n;
      if (g(e)) n = W(e, t);
      else if (e !== t && e instanceof HTMLElement && q(e)) n = e;
      else {
        let o = ge(e, i.startOffset);
        n = M(o, t);
      }
      return n && z(i, n, !0) ? n : null;
    },
    $ = (i, t) => {
      let e = i.endContainer, n;
      if (g(e)) n = W(e, t);
      else if (e !== t && e instanceof HTMLElement && q(e)) n = e;
      else {
        let o = Oe(e, i.endOffset);
        if (!o || !t.contains(o)) {
          o = t;
          let s;
          for (; s = o.lastChild;) o = s;
        }
        n = W(o, t);
      }
      return n && z(i, n, !0) ? n : null;
    },
    Ge = (i) => i instanceof Text ? B.test(i.data) : i.nodeName === "IMG",
    j = (i, t) => {
      let e = i.startContainer, n = i.startOffset, o;
      if (e instanceof Text) {
        let l = e.data;
        for (let a = n; a > 0; a -= 1) if (l.charAt(a - 1) !== "\u200B") return !1;
        o = e;
      } else if (o = Oe(e, n), o && !t.contains(o) && (o = null), !o && (o = ge(e, n), o instanceof Text && o.length)) {
        return !1;
      }
      let s = v(i, t);
      if (!s) return !1;
      let r = new T(s, 5, Ge);
      return r.currentNode = o, !r.previousNode();
    },
    G = (i, t) => {
      let e = i.endContainer, n = i.endOffset, o;
      if (e instanceof Text) {
        let l = e.data, a = l.length;
        for (let d = n; d < a; d += 1) if (l.charAt(d) !== "\u200B") return !1;
        o = e;
      } else o = ge(e, n);
      let s = $(i, t);
      if (!s) return !1;
      let r = new T(s, 5, Ge);
      return r.currentNode = o, !r.nextNode();
    },
    we = (i, t) => {
      let e = v(i, t), n = $(i, t), o;
      e && n &&
        (o = e.parentNode,
          i.setStart(o, Array.from(o.childNodes).indexOf(e)),
          o = n.parentNode,
          i.setEnd(o, Array.from(o.childNodes).indexOf(n) + 1));
    };
  function Q(i, t, e, n) {
    let o = document.createRange();
    return o.setStart(i, t), e && typeof n == "number" ? o.setEnd(e, n) : o.setEnd(i, t), o;
  }
  var Z = (i, t) => {
      let { startContainer: e, startOffset: n, endContainer: o, endOffset: s } = i, r;
      if (e instanceof Text) {
        let a = e.parentNode;
        if (r = a.childNodes, n === e.length) n = Array.from(r).indexOf(e) + 1, i.collapsed && (o = a, s = n);
        else {
          if (n) {
            let d = e.splitText(n);
            o === e ? (s -= n, o = d) : o === a && (s += 1), e = d;
          }
          n = Array.from(r).indexOf(e);
        }
        e = a;
      } else r = e.childNodes;
      let l = r.length;
      n === l ? e.appendChild(t) : e.insertBefore(t, r[n]),
        e === o && (s += r.length - l),
        i.setStart(e, n),
        i.setEnd(o, s);
    },
    Ae = (i, t, e) => {
      let n = document.createDocumentFragment();
      if (i.collapsed) return n;
      t || (t = i.commonAncestorContainer), t instanceof Text && (t = t.parentNode);
      let o = i.startContainer, s = i.startOffset, r = I(i.endContainer, i.endOffset, t, e), l = 0, a = I(o, s, t, e);
      for (; a && a !== r;) {
        let d = a.nextSibling;
        n.appendChild(a), a = d;
      }
      return a = r && r.previousSibling,
        a && a instanceof Text && r instanceof Text && (l = a.length, a.appendData(r.data), S(r), r = a),
        i.setStart(o, s),
        r ? i.setEnd(r, l) : i.setEnd(t, t.childNodes.length),
        x(t),
        n;
    },
    Ze = (i, t, e) => {
      i.currentNode = e;
      let n;
      for (; n = i[t]();) {
        if (n instanceof Text || H(n)) return n;
        if (!g(n)) return null;
      }
      return null;
    },
    F = (i, t) => {
      let e = v(i, t), n = $(i, t), o = e !== n;
      e && n && (_(i), K(i, e, n, t));
      let s = Ae(i, null, t);
      _(i), o && (n = $(i, t), e && n && e !== n && V(e, n, i, t)), e && x(e);
      let r = t.firstChild;
      (!r || r.nodeName === "BR") && (x(t), t.firstChild && i.selectNodeContents(t.firstChild)), i.collapse(!0);
      let l = i.startContainer, a = i.startOffset, d = new T(t, 5), c = l, f = a;
      (!(c instanceof Text) || f === c.data.length) && (c = Ze(d, "nextNode", c), f = 0);
      let u = l, p = a - 1;
      (!(u instanceof Text) || p === -1) &&
        (u = Ze(d, "previousPONode", c || (l instanceof Text ? l : l.childNodes[a] || l)),
          u instanceof Text && (p = u.data.length));
      let h = null, C = 0;
      return c instanceof Text && c.data.charAt(f) === " " && j(i, t)
        ? (h = c, C = f)
        : u instanceof Text && u.data.charAt(p) === " " && (c instanceof Text && c.data.charAt(f) === " " || G(i, t)) &&
          (h = u, C = p),
        h && h.replaceData(C, 1, "\xA0"),
        i.setStart(l, a),
        i.collapse(!0),
        s;
    },
    Xe = (i, t, e) => {
      let n = t.firstChild && g(t.firstChild), o;
      for (D(t, e), o = t; o = M(o, e);) x(o);
      i.collapsed || F(i, e), _(i), i.collapse(!1);
      let s = N(i.endContainer, e, "BLOCKQUOTE") || e, r = v(i, e), l = null, a = M(t, t), d = !n && !!r && de(r);
      if (r && a && !d && !N(a, t, "PRE") && !N(a, t, "TABLE")) {
        K(i, r, r, e), i.collapse(!0);
        let c = i.endContainer, f = i.endOffset;
        if (ae(r, e, !1), g(c)) {
          let u = I(c, f, W(c, e) || e, e);
          c = u.parentNode, f = Array.from(c.childNodes).indexOf(u);
        }
        if (f !== R(c)) { for (l = document.createDocumentFragment(); o = c.childNodes[f];) l.appendChild(o); }
        V(c, a, i, e),
          c === e
            ? i.setEnd(e, R(e))
            : (f = Array.from(c.parentNode.childNodes).indexOf(c) + 1, c = c.parentNode, i.setEnd(c, f));
      }
      if (R(t)) {
        d && r && (i.setEndBefore(r), i.collapse(!1), S(r)),
          s.contains(i.endContainer) ||
          (e.contains(i.endContainer) || (i.setEnd(e, R(e)), i.collapse(!1)),
            s = N(i.endContainer, e, "BLOCKQUOTE") || e),
          K(i, s, s, e);
        let c = I(i.endContainer, i.endOffset, s, e), f = c ? c.previousSibling : s.lastChild;
        s.insertBefore(t, c), c ? i.setEndBefore(c) : i.setEnd(s, R(s)), r = $(i, e), _(i);
        let u = i.endContainer, p = i.endOffset;
        c && X(c) && P(c, e), c = f && f.nextSibling, c && X(c) && P(c, e), i.setEnd(u, p);
      }
      if (l && r) {
        let c = i.cloneRange();
        x(l), V(r, l, c, e), i.setEnd(c.endContainer, c.endOffset);
      }
      _(i);
    };
  var Te = (i) => {
    if (i.collapsed) return "";
    let t = i.startContainer, e = i.endContainer, n = new T(i.commonAncestorContainer, 5, (a) => z(i, a, !0));
    n.currentNode = t;
    let o = t, s = "", r = !1, l;
    for ((!(o instanceof Element) && !(o instanceof Text) || !n.filter(o)) && (o = n.nextNode()); o;) {
      o instanceof Text
        ? (l = o.data,
          l && /\S/.test(l) &&
          (o === e && (l = l.slice(0, i.endOffset)), o === t && (l = l.slice(i.startOffset)), s += l, r = !0))
        : (o.nodeName === "BR" || r && !g(o)) && (s += `
`,
          r = !1), o = n.nextNode();
    }
    return s = s.replace(/ /g, " "), s;
  };
  var Ie = Array.prototype.indexOf,
    je = (i, t, e, n, o) => {
      let s = o ? "" : Te(i), r = v(i, t), l = $(i, t), a = i.commonAncestorContainer, d = t;
      r === l && (r != null && r.contains(a)) && (d = r);
      let c;
      for (
        e ? (c = F(i, t), a.isConnected || (a = i.commonAncestorContainer)) : c = i.cloneContents(),
          a instanceof Text && (a = a.parentNode);
        a && a !== d;
      ) {
        let u = a.cloneNode(!1);
        u.appendChild(c), c = u, a = a.parentNode;
      }
      let f;
      if (c.childNodes.length === 1 && c.childNodes[0] instanceof Text) {
        s = c.childNodes[0].data.replace(/ /g, " "), f = void 0;
      } else {
        let u = m("DIV");
        u.appendChild(c), f = u.innerHTML, n && (f = n(f));
      }
      return o && f !== void 0 && (s = o(f)),
        s === f && (f = void 0),
        ue && (s = s.replace(
          /\r?\n/g,
          `\r
`,
        )),
        f && (f = "<!-- squire -->" + f),
        [s, f];
    },
    Qe = (i, t, e, n, o, s, r) => {
      let l = i.clipboardData;
      if (re || !l) return !1;
      let [a, d] = je(t, e, n, o, s);
      return i.preventDefault(), !r && d && l.setData("text/html", d), l.setData("text/plain", a), !0;
    },
    Ye = function (i) {
      let t = this.getSelection(), e = this._root;
      if (t.collapsed) {
        i.preventDefault();
        return;
      }
      this.saveUndoState(t),
        Qe(i, t, e, !0, this._config.willCutCopy, this._config.toPlainText, !1) || setTimeout(() => {
          try {
            this._ensureBottomLine();
          } catch (o) {
            this._config.didError(o);
          }
        }, 0),
        this.setSelection(t);
    },
    Ve = function (i) {
      Qe(i, this.getSelection(), this._root, !1, this._config.willCutCopy, this._config.toPlainText, !1);
    },
    Me = function (i) {
      this._isShiftDown = i.shiftKey;
    },
    Je = function (i) {
      let t = i.clipboardData,
        e = t == null ? void 0 : t.items,
        n = this._isShiftDown,
        o = !1,
        s = !1,
        r = null,
        l = null;
      if (e) {
        let L = e.length;
        for (; L--;) {
          let O = e[L], w = O.type;
          w === "text/html"
            ? l = O
            : w === "text/plain" || w === "text/uri-list"
            ? r = O
            : w === "text/rtf"
            ? o = !0
            : /^image\/.*/.test(w) && (s = !0);
        }
        if (s && !(o && l) && !r) {
          i.preventDefault(), this.fireEvent("pasteImage", { clipboardData: t });
          return;
        }
        if (!re) {
          i.preventDefault(),
            l && (!n || !r)
              ? l.getAsString((O) => {
                this.insertHTML(O, !0);
              })
              : r && r.getAsString((O) => {
                let w = this.getSelection();
                if (!w.collapsed && B.test(w.toString())) {
                  let J = this.linkRegExp.exec(O);
                  if (!!J && J[0].length === O.length) {
                    let dt = J[1] ? /^(?:ht|f)tps?:/i.test(J[1]) ? J[1] : "http://" + J[1] : "mailto:" + J[0];
                    this.makeLink(dt);
                    return;
                  }
                }
                this.insertPlainText(O, !0);
              });
          return;
        }
      }
      let a = t == null ? void 0 : t.types;
      if (
        !re && a && (Ie.call(a, "text/html") > -1 || !qe && Ie.call(a, "text/plain") > -1 && Ie.call(a, "text/rtf") < 0)
      ) {
        i.preventDefault();
        let L;
        !n && (L = t.getData("text/html"))
          ? this.insertHTML(L, !0)
          : ((L = t.getData("text/plain")) || (L = t.getData("text/uri-list"))) && this.insertPlainText(L, !0);
        return;
      }
      let d = document.body,
        c = this.getSelection(),
        f = c.startContainer,
        u = c.startOffset,
        p = c.endContainer,
        h = c.endOffset,
        C = m("DIV", {
          contenteditable: "true",
          style: "position:fixed; overflow:hidden; top:0; right:100%; width:1px; height:1px;",
        });
      d.appendChild(C),
        c.selectNodeContents(C),
        this.setSelection(c),
        setTimeout(() => {
          try {
            let L = "", O = C, w;
            for (; C = O;) {
              O = C.nextSibling,
                S(C),
                w = C.firstChild,
                w && w === C.lastChild && w instanceof HTMLDivElement && (C = w),
                L += C.innerHTML;
            }
            this.setSelection(Q(f, u, p, h)), L && this.insertHTML(L, !0);
          } catch (L) {
            this._config.didError(L);
          }
        }, 0);
    },
    et = function () {
      let i = this.getSelection();
      i && !i.collapsed && this._root.contains(i.commonAncestorContainer)
        ? this._dragRange = i.cloneRange()
        : this._dragRange = null;
    },
    tt = function () {
      this._dragRange = null;
    },
    Ot = (i, t, e) => {
      let n = null, o = document;
      if (o.caretPositionFromPoint) {
        let s = o.caretPositionFromPoint(i, t);
        s && (n = document.createRange(), n.setStart(s.offsetNode, s.offset), n.collapse(!0));
      } else o.caretRangeFromPoint && (n = o.caretRangeFromPoint(i, t));
      return n && !e.contains(n.commonAncestorContainer) ? null : n;
    },
    Bt = (i, t) =>
      i.compareBoundaryPoints(Range.START_TO_START, t) >= 0 && i.compareBoundaryPoints(Range.END_TO_END, t) <= 0,
    nt = function (i) {
      let t = i.dataTransfer;
      if (!t) return;
      let e = t.types, n = !1, o = !1;
      for (let c = 0, f = e.length; c < f; c += 1) {
        switch (e[c]) {
          case "text/plain":
            n = !0;
            break;
          case "text/html":
            o = !0;
            break;
        }
      }
      if (!n && !o) return;
      i.preventDefault();
      let s = this._root, r = Ot(i.clientX, i.clientY, s), l = this._dragRange;
      if (this._dragRange = null, !r) return;
      let a, d;
      if (l) {
        if (Bt(r, l)) return;
        this._recordUndoState(l, this._isInUndoState);
        let c = document.createComment("");
        r.insertNode(c),
          this._getRangeAndRemoveBookmark(l),
          [a, d] = je(l, s, t.dropEffect !== "copy", this._config.willCutCopy, this._config.toPlainText),
          c.replaceWith(
            m("INPUT", { id: this.startSelectionId, type: "hidden" }),
            m("INPUT", { id: this.endSelectionId, type: "hidden" }),
          ),
          this._getRangeAndRemoveBookmark(r),
          me();
      } else this.saveUndoState(r), o ? d = t.getData("text/html") : a = t.getData("text/plain");
      this.setSelection(r), d !== void 0 ? this.insertHTML(d, !0) : a !== void 0 && this.insertPlainText(a, !0);
    };
  var He = (i, t, e) => {
    t.preventDefault(), i.splitBlock(t.shiftKey, e);
  };
  var ie = (i, t) => {
      try {
        t || (t = i.getSelection());
        let e = t.startContainer;
        e instanceof Text && (e = e.parentNode);
        let n = e;
        for (; g(n) && (!n.textContent || n.textContent === "\u200B");) e = n, n = e.parentNode;
        e !== n &&
        (t.setStart(n, Array.from(n.childNodes).indexOf(e)),
          t.collapse(!0),
          n.removeChild(e),
          q(n) || (n = W(n, i._root) || i._root),
          x(n),
          _(t)),
          e === i._root && (e = e.firstChild) && e.nodeName === "BR" && S(e),
          i._ensureBottomLine(),
          i.setSelection(t),
          i._updatePath(t, !0);
      } catch (e) {
        i._config.didError(e);
      }
    },
    _e = (i, t) => {
      let e;
      for (; (e = i.parentNode) && !(e === t || e.isContentEditable);) i = e;
      S(i);
    },
    Ce = (i, t, e) => {
      if (N(t, i._root, "A")) return;
      let n = t.data || "",
        o = Math.max(n.lastIndexOf(" ", e - 1), n.lastIndexOf("\xA0", e - 1)) + 1,
        s = n.slice(o, e),
        r = i.linkRegExp.exec(s);
      if (r) {
        let l = i.getSelection();
        i._docWasChanged(), i._recordUndoState(l), i._getRangeAndRemoveBookmark(l);
        let a = o + r.index, d = a + r[0].length, c = l.startContainer === t, f = l.startOffset - d;
        a && (t = t.splitText(a));
        let u = i._config.tagAttributes.a,
          p = m(
            "A",
            Object.assign(
              { href: r[1] ? /^(?:ht|f)tps?:/i.test(r[1]) ? r[1] : "http://" + r[1] : "mailto:" + r[0] },
              u,
            ),
          );
        p.textContent = n.slice(a, d),
          t.parentNode.insertBefore(p, t),
          t.data = n.slice(d),
          c && (l.setStart(t, f), l.setEnd(t, f)),
          i.setSelection(l);
      }
    };
  var it = (i, t, e) => {
    let n = i._root;
    if (i._removeZWS(), i.saveUndoState(e), !e.collapsed) t.preventDefault(), F(e, n), ie(i, e);
    else if (j(e, n)) {
      t.preventDefault();
      let o = v(e, n);
      if (!o) return;
      let s = o;
      D(s.parentNode, n);
      let r = W(s, n);
      if (r) {
        if (!r.isContentEditable) {
          _e(r, n);
          return;
        }
        for (V(r, s, e, n), s = r.parentNode; s !== n && !s.nextSibling;) s = s.parentNode;
        s !== n && (s = s.nextSibling) && P(s, n), i.setSelection(e);
      } else if (s) {
        if (N(s, n, "UL") || N(s, n, "OL")) {
          i.decreaseListLevel(e);
          return;
        } else if (N(s, n, "BLOCKQUOTE")) {
          i.removeQuote(e);
          return;
        }
        i.setSelection(e), i._updatePath(e, !0);
      }
    } else {
      _(e);
      let o = e.startContainer, s = e.startOffset, r = o.parentNode;
      o instanceof Text && r instanceof HTMLAnchorElement && s && r.href.includes(o.data)
        ? (o.deleteData(s - 1, 1), i.setSelection(e), i.removeLink(), t.preventDefault())
        : (i.setSelection(e),
          setTimeout(() => {
            ie(i);
          }, 0));
    }
  };
  var ot = (i, t, e) => {
    let n = i._root, o, s, r, l, a, d;
    if (i._removeZWS(), i.saveUndoState(e), !e.collapsed) t.preventDefault(), F(e, n), ie(i, e);
    else if (G(e, n)) {
      if (t.preventDefault(), o = v(e, n), !o) return;
      if (D(o.parentNode, n), s = M(o, n), s) {
        if (!s.isContentEditable) {
          _e(s, n);
          return;
        }
        for (V(o, s, e, n), s = o.parentNode; s !== n && !s.nextSibling;) s = s.parentNode;
        s !== n && (s = s.nextSibling) && P(s, n), i.setSelection(e), i._updatePath(e, !0);
      }
    } else {
      if (
        r = e.cloneRange(),
          K(e, n, n, n),
          l = e.endContainer,
          a = e.endOffset,
          l instanceof Element && (d = l.childNodes[a], d && d.nodeName === "IMG")
      ) {
        t.preventDefault(), S(d), _(e), ie(i, e);
        return;
      }
      i.setSelection(r),
        setTimeout(() => {
          ie(i);
        }, 0);
    }
  };
  var st = (i, t, e) => {
      let n = i._root;
      if (i._removeZWS(), e.collapsed && j(e, n)) {
        let o = v(e, n), s;
        for (; s = o.parentNode;) {
          if (s.nodeName === "UL" || s.nodeName === "OL") {
            t.preventDefault(), i.increaseListLevel(e);
            break;
          }
          o = s;
        }
      }
    },
    rt = (i, t, e) => {
      let n = i._root;
      if (i._removeZWS(), e.collapsed && j(e, n)) {
        let o = e.startContainer;
        (N(o, n, "UL") || N(o, n, "OL")) && (t.preventDefault(), i.decreaseListLevel(e));
      }
    };
  var lt = (i, t, e) => {
    var s;
    let n, o = i._root;
    if (i._recordUndoState(e), i._getRangeAndRemoveBookmark(e), !e.collapsed) {
      F(e, o), i._ensureBottomLine(), i.setSelection(e), i._updatePath(e, !0);
    } else if (G(e, o)) {
      let r = v(e, o);
      if (r && r.nodeName !== "PRE") {
        let l = (s = r.textContent) == null ? void 0 : s.trimEnd().replace("\u200B", "");
        if (l === "*" || l === "1.") {
          t.preventDefault(), i.insertPlainText(" ", !1), i._docWasChanged(), i.saveUndoState(e);
          let a = new T(r, 4), d;
          for (; d = a.nextNode();) S(d);
          l === "*" ? i.makeUnorderedList() : i.makeOrderedList();
          return;
        }
      }
    }
    if (n = e.endContainer, e.endOffset === R(n)) {
      do if (n.nodeName === "A") {
        e.setStartAfter(n);
        break;
      } while (!n.nextSibling && (n = n.parentNode) && n !== o);
    }
    if (i._config.addLinks) {
      let r = e.cloneRange();
      _(r);
      let l = r.startContainer, a = r.startOffset;
      setTimeout(() => {
        Ce(i, l, a);
      }, 0);
    }
    i.setSelection(e);
  };
  var at = function (i) {
      if (i.defaultPrevented || i.isComposing) return;
      let t = i.key, e = "", n = i.code;
      /^Digit\d$/.test(n) && (t = n.slice(-1)),
        t !== "Backspace" && t !== "Delete" &&
        (i.altKey && (e += "Alt-"),
          i.ctrlKey && (e += "Ctrl-"),
          i.metaKey && (e += "Meta-"),
          i.shiftKey && (e += "Shift-")),
        ue && i.shiftKey && t === "Delete" && (e += "Shift-"),
        t = e + t;
      let o = this.getSelection(), s = this._keyHandlers[t];
      s ? s(this, i, o) : !o.collapsed && !i.ctrlKey && !i.metaKey && t.length === 1 &&
        (this.saveUndoState(o),
          F(o, this._root),
          this._ensureBottomLine(),
          this.setSelection(o),
          this._updatePath(o, !0));
    },
    b = {
      Backspace: it,
      Delete: ot,
      Tab: st,
      "Shift-Tab": rt,
      " ": lt,
      ArrowLeft(i) {
        i._removeZWS();
      },
      ArrowRight(i, t, e) {
        i._removeZWS();
        let n = i.getRoot();
        if (G(e, n)) {
          _(e);
          let o = e.endContainer;
          do if (o.nodeName === "CODE") {
            let s = o.nextSibling;
            if (!(s instanceof Text) || s.length === 0) {
              let r = document.createTextNode("\xA0");
              o.parentNode.insertBefore(r, s), s = r;
            }
            e.setStart(s, 1), i.setSelection(e), t.preventDefault();
            break;
          } while (!o.nextSibling && (o = o.parentNode) && o !== n);
        }
      },
    };
  Ue || (b.Enter = He, b["Shift-Enter"] = He);
  !fe && !be && (b.PageUp = (i) => {
    i.moveCursorToStart();
  },
    b.PageDown = (i) => {
      i.moveCursorToEnd();
    });
  var se = (i, t) => (t = t || null, (e, n) => {
    n.preventDefault();
    let o = e.getSelection();
    e.hasFormat(i, null, o) ? e.changeFormat(null, { tag: i }, o) : e.changeFormat({ tag: i }, t, o);
  });
  b[y + "b"] = se("B");
  b[y + "i"] = se("I");
  b[y + "u"] = se("U");
  b[y + "Shift-7"] = se("S");
  b[y + "Shift-5"] = se("SUB", { tag: "SUP" });
  b[y + "Shift-6"] = se("SUP", { tag: "SUB" });
  b[y + "Shift-8"] = (i, t) => {
    t.preventDefault();
    let e = i.getPath();
    /(?:^|>)UL/.test(e) ? i.removeList() : i.makeUnorderedList();
  };
  b[y + "Shift-9"] = (i, t) => {
    t.preventDefault();
    let e = i.getPath();
    /(?:^|>)OL/.test(e) ? i.removeList() : i.makeOrderedList();
  };
  b[y + "["] = (i, t) => {
    t.preventDefault();
    let e = i.getPath();
    /(?:^|>)BLOCKQUOTE/.test(e) || !/(?:^|>)[OU]L/.test(e) ? i.decreaseQuoteLevel() : i.decreaseListLevel();
  };
  b[y + "]"] = (i, t) => {
    t.preventDefault();
    let e = i.getPath();
    /(?:^|>)BLOCKQUOTE/.test(e) || !/(?:^|>)[OU]L/.test(e) ? i.increaseQuoteLevel() : i.increaseListLevel();
  };
  b[y + "d"] = (i, t) => {
    t.preventDefault(), i.toggleCode();
  };
  b[y + "z"] = (i, t) => {
    t.preventDefault(), i.undo();
  };
  b[y + "y"] = b[y + "Shift-z"] = b[y + "Shift-Z"] = (i, t) => {
    t.preventDefault(), i.redo();
  };
  var Pe = 8,
    ct = 40,
    Fe = 1200,
    Dt = [
      { pos: "nw", cursor: "nwse-resize" },
      { pos: "n", cursor: "ns-resize" },
      { pos: "ne", cursor: "nesw-resize" },
      { pos: "e", cursor: "ew-resize" },
      { pos: "se", cursor: "nwse-resize" },
      { pos: "s", cursor: "ns-resize" },
      { pos: "sw", cursor: "nesw-resize" },
      { pos: "w", cursor: "ew-resize" },
    ],
    wt = {
      ArrowUp: (i, t, e) => {
        let n = v(t, e);
        if (n) {
          let o = W(n, e);
          o && (t.selectNodeContents(o), t.collapse(!1), i.setSelection(t).focus());
        }
      },
      ArrowDown: (i, t, e) => {
        let n = v(t, e);
        if (n) {
          let o = M(n, e);
          o && (t.selectNodeContents(o), t.collapse(!0), i.setSelection(t).focus());
        }
      },
      Delete: (i, t) => {
        i.replaceWithBlankLine(t);
      },
      Backspace: (i, t) => {
        i.replaceWithBlankLine(t);
      },
    },
    ve = class {
      constructor(t, e) {
        this._currentImage = null;
        this._resizeContainer = null;
        this._handles = null;
        this._currentHandle = null;
        this._startX = 0;
        this._startY = 0;
        this._startWidth = 0;
        this._startHeight = 0;
        this._maxWidth = Fe;
        this._originalRatio = 1;
        this._editor = e, this._root = t, document.addEventListener("click", this), e.addEventListener("drop", this);
      }
      destroy() {
        this._deselectImage(),
          this._editor.removeEventListener("drop", this),
          document.removeEventListener("click", this);
      }
      handleEvent(t) {
        switch (t.type) {
          case "click":
            this._onClick(t);
            break;
          case "pointerdown":
            this._onPointerDown(t);
            break;
          case "pointermove":
            this._onPointerMove(t);
            break;
          case "pointercancel":
          case "pointerup":
            this._onPointerUp(t);
            break;
          case "keydown":
            this._onKeyDown(t);
            break;
          case "drop":
            this._deselectImage();
            break;
        }
      }
      _onClick(t) {
        let e = t.target;
        e.nodeName === "IMG" && this._root.contains(e)
          ? (t.stopPropagation(), this._selectImage(e))
          : this._currentImage && this._handles && !this._handles.some((n) => n.element === e) && this._deselectImage();
      }
      _deselectImage() {
        this._currentImage &&
          (document.removeEventListener("keydown", this, !0),
            this._currentHandle && this._onPointerUp({ preventDefault() {}, target: this._currentHandle.element }),
            this._handles && this._handles.forEach(({ element: t }) => t.removeEventListener("pointerdown", this)),
            this._resizeContainer && this._resizeContainer.remove(),
            this._currentImage.removeAttribute("tabindex"),
            this._handles = null,
            this._resizeContainer = null,
            this._currentImage = null);
      }
      _selectImage(t) {
        if (this._currentImage === t) return;
        this._deselectImage(), this._root.blur();
        let e = Dt.map(({ pos: s, cursor: r }) => {
            let l = Pe / 2, a = "";
            switch (s) {
              case "nw":
                a = `left: -${l}px; top: -${l}px;`;
                break;
              case "n":
                a = `left: calc(50% - ${l}px); top: -${l}px;`;
                break;
              case "ne":
                a = `right: -${l}px; top: -${l}px;`;
                break;
              case "e":
                a = `right: -${l}px; top: calc(50% - ${l}px);`;
                break;
              case "se":
                a = `right: -${l}px; bottom: -${l}px;`;
                break;
              case "s":
                a = `left: calc(50% - ${l}px); bottom: -${l}px;`;
                break;
              case "sw":
                a = `left: -${l}px; bottom: -${l}px;`;
                break;
              case "w":
                a = `left: -${l}px; top: calc(50% - ${l}px);`;
                break;
            }
            let d = m("div", {
              class: `squire-resize-handle squire-resize-handle-${s}`,
              style: `
                    position: absolute;
                    width: ${Pe}px;
                    height: ${Pe}px;
                    background: #0067b9;
                    border: 1px solid #fff;
                    cursor: ${r};
                    pointer-events: auto;
                    touch-action: none;
                    box-shadow: 0 1px 3px rgba(0,0,0,0.3);
                    ${a}
                `,
            });
            return d.addEventListener("pointerdown", this), { element: d, cursor: r, position: s };
          }),
          n = m("div", {
            class: "squire-image-resize-container",
            style: "position: absolute; pointer-events: none; z-index: 1000;",
          }, e.map((s) => s.element));
        this._currentImage = t,
          this._resizeContainer = n,
          this._handles = e,
          this._root.appendChild(this._resizeContainer);
        let o = t.naturalWidth;
        this._originalRatio = o / t.naturalHeight,
          this._maxWidth = Math.min(o * 2, t.parentElement ? t.parentElement.offsetWidth : Fe, Fe),
          this._positionResizeContainer(),
          t.tabIndex = -1,
          t.focus(),
          document.addEventListener("keydown", this, !0);
      }
      _positionResizeContainer() {
        let t = this._resizeContainer, e = this._root, n = this._currentImage;
        if (!t || !n) return;
        let o = e.getBoundingClientRect(),
          s = n.getBoundingClientRect(),
          r = s.top - o.top + e.scrollTop,
          l = s.left - o.left + e.scrollLeft,
          a = s.width,
          d = s.height;
        t.style.top = r + "px", t.style.left = l + "px", t.style.width = a + "px", t.style.height = d + "px";
      }
      _onPointerDown(t) {
        if (this._currentHandle || !this._handles) return;
        let e = t.target, n = this._handles.find((r) => r.element === e) || null;
        if (!n) return;
        let o = this._currentImage;
        if (!o) return;
        t.preventDefault(),
          t.stopPropagation(),
          e.addEventListener("pointermove", this),
          e.addEventListener("pointerup", this),
          e.addEventListener("pointercancel", this),
          e.setPointerCapture(t.pointerId),
          this._currentHandle = n,
          this._startX = t.clientX,
          this._startY = t.clientY;
        let s = getComputedStyle(o);
        this._startWidth = parseFloat(s.width),
          this._startHeight = parseFloat(s.height),
          document.body.style.cursor = n.cursor;
      }
      _onPointerMove(t) {
        t.preventDefault();
        let e = this._currentHandle, n = this._currentImage;
        if (!e || !n) return;
        let o = t.clientX - this._startX,
          s = t.clientY - this._startY,
          r = this._maxWidth,
          l = this._originalRatio,
          a = this._startWidth,
          d = this._startHeight;
        switch (e.position) {
          case "sw":
          case "nw":
          case "w":
            a -= 2 * o;
            break;
          case "se":
          case "ne":
          case "e":
            a += 2 * o;
            break;
          case "n":
            d -= s, a = d * l;
            break;
          case "s":
            d += s, a = d * l;
            break;
        }
        a < ct ? a = ct : a > r && (a = r);
        let c = n.style;
        c.width = a + "px", c.height = "auto", this._positionResizeContainer();
      }
      _onPointerUp(t) {
        t.preventDefault();
        let e = t.target;
        e &&
        (e.removeEventListener("pointermove", this),
          e.removeEventListener("pointerup", this),
          e.removeEventListener("pointercancel", this)),
          this._currentHandle = null,
          document.body.style.cursor = "";
      }
      _onKeyDown(t) {
        t.preventDefault(), t.stopPropagation();
        let e = wt[t.key];
        if (!e) return;
        let n = this._currentImage;
        if (!n) return;
        let o = this._editor, s = this._root;
        this._deselectImage();
        let r = o.getSelection();
        r.selectNode(n), e(o, r, s);
      }
    };
  var xe = class {
    constructor(t, e) {
      this.customEvents = new Set(["pathChange", "select", "input", "pasteImage", "undoStateChange"]);
      this.startSelectionId = "squire-selection-start";
      this.endSelectionId = "squire-selection-end";
      this.linkRegExp =
        /\b(?:((?:(?:ht|f)tps?:\/\/|www\d{0,3}[.]|[a-z0-9][a-z0-9.\-]*[.][a-z]{2,}\/)(?:[^\s()<>]+|\([^\s()<>]+\))+(?:[^\s?&`!()\[\]{};:'".,<>«»“”‘’]|\([^\s()<>]+\)))|([\w\-.%+]+@(?:[\w\-]+\.)+[a-z]{2,}\b(?:[?][^&?\s]+=[^\s?&`!()\[\]{};:'".,<>«»“”‘’]+(?:&[^&?\s]+=[^\s?&`!()\[\]{};:'".,<>«»“”‘’]+)*)?))/i;
      this.tagAfterSplit = { DT: "DD", DD: "DT", LI: "LI", PRE: "PRE" };
      this._root = t,
        this._config = this._makeConfig(e),
        this._isFocused = !1,
        this._lastSelection = Q(t, 0),
        this._willRestoreSelection = !1,
        this._mayHaveZWS = !1,
        this._lastAnchorNode = null,
        this._lastFocusNode = null,
        this._path = "",
        this._events = new Map(),
        this._undoIndex = -1,
        this._undoStack = [],
        this._undoStackLength = 0,
        this._isInUndoState = !1,
        this._ignoreChange = !1,
        this._ignoreAllChanges = !1,
        this.addEventListener("selectionchange", this._updatePathOnEvent),
        this.addEventListener("blur", this._enableRestoreSelection),
        this.addEventListener("mousedown", this._disableRestoreSelection),
        this.addEventListener("touchstart", this._disableRestoreSelection),
        this.addEventListener("focus", this._restoreSelection),
        this.addEventListener("blur", this._removeZWS),
        this._isShiftDown = !1,
        this.addEventListener("cut", Ye),
        this.addEventListener("copy", Ve),
        this.addEventListener("paste", Je),
        this._dragRange = null,
        this.addEventListener("dragstart", et),
        this.addEventListener("dragend", tt),
        this.addEventListener("drop", nt),
        this.addEventListener("keydown", Me),
        this.addEventListener("keyup", Me),
        this.addEventListener("keydown", at),
        this._keyHandlers = Object.create(b);
      let n = new MutationObserver(() => this._docWasChanged());
      n.observe(t, { childList: !0, attributes: !0, characterData: !0, subtree: !0 }),
        this._mutation = n,
        t.setAttribute("contenteditable", "true"),
        this.addEventListener("beforeinput", this._beforeInput),
        this._imageResizer = new ve(t, this),
        this.setHTML("");
    }
    destroy() {
      this._events.forEach((t, e) => {
        this.removeEventListener(e);
      }),
        this._mutation.disconnect(),
        this._imageResizer.destroy(),
        this._undoIndex = -1,
        this._undoStack = [],
        this._undoStackLength = 0;
    }
    _makeConfig(t) {
      let e = {
        blockTag: "DIV",
        blockAttributes: null,
        tagAttributes: {},
        classNames: { color: "color", fontFamily: "font", fontSize: "size", highlight: "highlight" },
        undo: { documentSizeThreshold: -1, undoLimit: -1 },
        addLinks: !0,
        willCutCopy: null,
        toPlainText: null,
        sanitizeToDOMFragment: (n) => {
          let o = DOMPurify.sanitize(n, {
            ALLOW_UNKNOWN_PROTOCOLS: !0,
            WHOLE_DOCUMENT: !1,
            RETURN_DOM: !0,
            RETURN_DOM_FRAGMENT: !0,
            FORCE_BODY: !1,
          });
          return o ? document.importNode(o, !0) : document.createDocumentFragment();
        },
        didError: (n) => console.log(n),
      };
      return t && (Object.assign(e, t), e.blockTag = e.blockTag.toUpperCase()), e;
    }
    setKeyHandler(t, e) {
      return this._keyHandlers[t] = e, this;
    }
    _beforeInput(t) {
      switch (t.inputType) {
        case "insertLineBreak":
          t.preventDefault(), this.splitBlock(!0);
          break;
        case "insertParagraph":
          t.preventDefault(), this.splitBlock(!1);
          break;
        case "insertOrderedList":
          t.preventDefault(), this.makeOrderedList();
          break;
        case "insertUnoderedList":
          t.preventDefault(), this.makeUnorderedList();
          break;
        case "historyUndo":
          t.preventDefault(), this.undo();
          break;
        case "historyRedo":
          t.preventDefault(), this.redo();
          break;
        case "formatBold":
          t.preventDefault(), this.bold();
          break;
        case "formatItalic":
          t.preventDefault(), this.italic();
          break;
        case "formatUnderline":
          t.preventDefault(), this.underline();
          break;
        case "formatStrikeThrough":
          t.preventDefault(), this.strikethrough();
          break;
        case "formatSuperscript":
          t.preventDefault(), this.superscript();
          break;
        case "formatSubscript":
          t.preventDefault(), this.subscript();
          break;
        case "formatJustifyFull":
        case "formatJustifyCenter":
        case "formatJustifyRight":
        case "formatJustifyLeft": {
          t.preventDefault();
          let e = t.inputType.slice(13).toLowerCase();
          e === "full" && (e = "justify"), this.setTextAlignment(e);
          break;
        }
        case "formatRemove":
          t.preventDefault(), this.removeAllFormatting();
          break;
        case "formatSetBlockTextDirection": {
          t.preventDefault();
          let e = t.data;
          e === "null" && (e = null), this.setTextDirection(e);
          break;
        }
        case "formatBackColor":
          t.preventDefault(), this.setHighlightColor(t.data);
          break;
        case "formatFontColor":
          t.preventDefault(), this.setTextColor(t.data);
          break;
        case "formatFontName":
          t.preventDefault(), this.setFontFace(t.data);
          break;
      }
    }
    handleEvent(t) {
      this.fireEvent(t.type, t);
    }
    fireEvent(t, e) {
      let n = this._events.get(t);
      if (/^(?:focus|blur)/.test(t)) {
        let o = this._root === document.activeElement;
        if (t === "focus") {
          if (!o || this._isFocused) return this;
          this._isFocused = !0;
        } else {
          if (o || !this._isFocused) return this;
          this._isFocused = !1;
        }
      }
      if (n) {
        let o = e instanceof Event ? e : new CustomEvent(t, { detail: e });
        n = n.slice();
        for (let s of n) {
          try {
            "handleEvent" in s ? s.handleEvent(o) : s.call(this, o);
          } catch (r) {
            this._config.didError(r);
          }
        }
      }
      return this;
    }
    addEventListener(t, e) {
      let n = this._events.get(t), o = this._root;
      return n ||
        (n = [],
          this._events.set(t, n),
          this.customEvents.has(t) || (t === "selectionchange" && (o = document), o.addEventListener(t, this, !0))),
        n.push(e),
        this;
    }
    removeEventListener(t, e) {
      let n = this._events.get(t), o = this._root;
      if (n) {
        if (e) {
          let s = n.length;
          for (; s--;) n[s] === e && n.splice(s, 1);
        } else n.length = 0;
        n.length ||
          (this._events.delete(t),
            this.customEvents.has(t) ||
            (t === "selectionchange" && (o = document), o.removeEventListener(t, this, !0)));
      }
      return this;
    }
    focus() {
      return this._root.focus({ preventScroll: !0 }), this;
    }
    blur() {
      return this._root.blur(), this;
    }
    _enableRestoreSelection() {
      this._willRestoreSelection = !0;
    }
    _disableRestoreSelection() {
      this._willRestoreSelection = !1;
    }
    _restoreSelection() {
      this._willRestoreSelection && this.setSelection(this._lastSelection);
    }
    _removeZWS() {
      this._mayHaveZWS && (le(this._root), this._mayHaveZWS = !1);
    }
    _saveRangeToBookmark(t) {
      let e = m("INPUT", { id: this.startSelectionId, type: "hidden" }),
        n = m("INPUT", { id: this.endSelectionId, type: "hidden" }),
        o;
      Z(t, e),
        t.collapse(!1),
        Z(t, n),
        e.compareDocumentPosition(n) & Node.DOCUMENT_POSITION_PRECEDING &&
        (e.id = this.endSelectionId, n.id = this.startSelectionId, o = e, e = n, n = o),
        t.setStartAfter(e),
        t.setEndBefore(n);
    }
    _getRangeAndRemoveBookmark(t) {
      let e = this._root,
        n = e.querySelectorAll("#" + this.startSelectionId),
        o = e.querySelectorAll("#" + this.endSelectionId),
        s = n[0],
        r = o[0];
      if (s && r && s.compareDocumentPosition(r) & Node.DOCUMENT_POSITION_FOLLOWING) {
        let l = s.parentNode,
          a = r.parentNode,
          d = Array.from(l.childNodes).indexOf(s),
          c = Array.from(a.childNodes).indexOf(r);
        l === a && (c -= 1),
          s.remove(),
          r.remove(),
          t || (t = document.createRange()),
          t.setStart(l, d),
          t.setEnd(a, c),
          ne(l, t),
          l !== a && ne(a, t),
          t.collapsed &&
          (l = t.startContainer,
            l instanceof Text &&
            (a = l.childNodes[t.startOffset],
              (!a || !(a instanceof Text)) && (a = l.childNodes[t.startOffset - 1]),
              a && a instanceof Text && (t.setStart(a, 0), t.collapse(!0))));
      }
      for (let l = 0; l < n.length; l += 1) n[l].remove();
      for (let l = 0; l < o.length; l += 1) o[l].remove();
      return t || null;
    }
    getSelection() {
      let t = window.getSelection(), e = this._root, n = null;
      if (this._isFocused && t && t.rangeCount) {
        n = t.getRangeAt(0).cloneRange();
        let o = n.startContainer, s = n.endContainer;
        o && H(o) && n.setStartBefore(o), s && H(s) && n.setEndBefore(s);
      }
      return n && e.contains(n.commonAncestorContainer)
        ? this._lastSelection = n
        : (n = this._lastSelection, document.contains(n.commonAncestorContainer) || (n = null)),
        n || (n = Q(e.firstElementChild || e, 0)),
        n;
    }
    setSelection(t) {
      if (this._lastSelection = t, !this._isFocused) this._enableRestoreSelection();
      else {
        let e = window.getSelection();
        e &&
          ("setBaseAndExtent" in Selection.prototype
            ? e.setBaseAndExtent(t.startContainer, t.startOffset, t.endContainer, t.endOffset)
            : (e.removeAllRanges(), e.addRange(t)));
      }
      return this;
    }
    _moveCursorTo(t) {
      let e = this._root, n = Q(e, t ? 0 : e.childNodes.length);
      return _(n), this.setSelection(n), this;
    }
    moveCursorToStart() {
      return this._moveCursorTo(!0);
    }
    moveCursorToEnd() {
      return this._moveCursorTo(!1);
    }
    getCursorPosition() {
      let t = this.getSelection(), e = t.getBoundingClientRect();
      if (e && !e.top) {
        this._ignoreChange = !0;
        let n = m("SPAN");
        n.textContent = "\u200B", Z(t, n), e = n.getBoundingClientRect();
        let o = n.parentNode;
        o.removeChild(n), ne(o, t);
      }
      return e;
    }
    getPath() {
      return this._path;
    }
    _updatePathOnEvent() {
      this._isFocused && this._updatePath(this.getSelection());
    }
    _updatePath(t, e) {
      let n = t.startContainer, o = t.endContainer, s;
      (e || n !== this._lastAnchorNode || o !== this._lastFocusNode) &&
      (this._lastAnchorNode = n,
        this._lastFocusNode = o,
        s = n && o ? n === o ? this._getPath(o) : "(selection)" : "",
        (this._path !== s || n !== o) && (this._path = s, this.fireEvent("pathChange", { path: s }))),
        this.fireEvent(t.collapsed ? "cursor" : "select", { range: t });
    }
    _getPath(t) {
      let e = this._root, n = this._config, o = "";
      if (t && t !== e) {
        let s = t.parentNode;
        if (o = s ? this._getPath(s) : "", t instanceof HTMLElement) {
          let r = t.id, l = t.classList, a = Array.from(l).sort(), d = t.dir, c = n.classNames;
          o += (o ? ">" : "") + t.nodeName,
            r && (o += "#" + r),
            a.length && (o += ".", o += a.join(".")),
            d && (o += "[dir=" + d + "]"),
            l.contains(c.highlight) && (o += "[backgroundColor=" + t.style.backgroundColor.replace(/ /g, "") + "]"),
            l.contains(c.color) && (o += "[color=" + t.style.color.replace(/ /g, "") + "]"),
            l.contains(c.fontFamily) && (o += "[fontFamily=" + t.style.fontFamily.replace(/ /g, "") + "]"),
            l.contains(c.fontSize) && (o += "[fontSize=" + t.style.fontSize + "]");
        }
      }
      return o;
    }
    modifyDocument(t) {
      let e = this._mutation;
      return e && (e.takeRecords().length && this._docWasChanged(), e.disconnect()),
        this._ignoreAllChanges = !0,
        t(),
        this._ignoreAllChanges = !1,
        e &&
        (e.observe(this._root, { childList: !0, attributes: !0, characterData: !0, subtree: !0 }),
          this._ignoreChange = !1),
        this;
    }
    _docWasChanged() {
      if (me(), this._mayHaveZWS = !0, !this._ignoreAllChanges) {
        if (this._ignoreChange) {
          this._ignoreChange = !1;
          return;
        }
        this._isInUndoState &&
        (this._isInUndoState = !1, this.fireEvent("undoStateChange", { canUndo: !0, canRedo: !1 })),
          this.fireEvent("input");
      }
    }
    _recordUndoState(t, e) {
      let n = this._isInUndoState;
      if (!n || e) {
        let o = this._undoIndex + 1,
          s = this._undoStack,
          r = this._config.undo,
          l = r.documentSizeThreshold,
          a = r.undoLimit;
        if (o < this._undoStackLength && (s.length = this._undoStackLength = o), t && this._saveRangeToBookmark(t), n) {
          return this;
        }
        let d = this._getRawHTML();
        e && (o -= 1),
          l > -1 && d.length * 2 > l && a > -1 && o > a && (s.splice(0, o - a), o = a, this._undoStackLength = a),
          s[o] = d,
          this._undoIndex = o,
          this._undoStackLength += 1,
          this._isInUndoState = !0;
      }
      return this;
    }
    saveUndoState(t) {
      let e = !1;
      return t || (t = this.getSelection(), e = !0),
        this._recordUndoState(t, this._isInUndoState),
        this._getRangeAndRemoveBookmark(t),
        e && this.setSelection(t),
        this;
    }
    undo() {
      if (this._undoIndex !== 0 || !this._isInUndoState) {
        this._recordUndoState(this.getSelection(), !1),
          this._undoIndex -= 1,
          this._setRawHTML(this._undoStack[this._undoIndex]);
        let t = this._getRangeAndRemoveBookmark();
        t && this.setSelection(t),
          this._isInUndoState = !0,
          this.fireEvent("undoStateChange", { canUndo: this._undoIndex !== 0, canRedo: !0 }),
          this.fireEvent("input");
      }
      return this.focus();
    }
    redo() {
      let t = this._undoIndex, e = this._undoStackLength;
      if (t + 1 < e && this._isInUndoState) {
        this._undoIndex += 1, this._setRawHTML(this._undoStack[this._undoIndex]);
        let n = this._getRangeAndRemoveBookmark();
        n && this.setSelection(n),
          this.fireEvent("undoStateChange", { canUndo: !0, canRedo: t + 2 < e }),
          this.fireEvent("input");
      }
      return this.focus();
    }
    getRoot() {
      return this._root;
    }
    _getRawHTML() {
      return this._root.innerHTML;
    }
    _setRawHTML(t) {
      let e = this._root;
      e.innerHTML = t;
      let n = e, o = n.firstChild;
      if (!o || o.nodeName === "BR") {
        let s = this.createDefaultBlock();
        o ? n.replaceChild(s, o) : n.appendChild(s);
      } else for (; n = M(n, e);) x(n);
      return this._ignoreChange = !0, this;
    }
    getHTML(t) {
      let e, n = "";
      return this.modifyDocument(() => {
        t && (e = this.getSelection(), this._saveRangeToBookmark(e));
        let o = this._root.querySelector(".squire-image-resize-container");
        o && o.remove(),
          n = this._getRawHTML().replace(/\u200B/g, ""),
          o && this._root.appendChild(o),
          t && this._getRangeAndRemoveBookmark(e);
      }),
        n;
    }
    setHTML(t) {
      let e = this._config.sanitizeToDOMFragment(t, this), n = this._root;
      Se(e, this._config), ae(e, n, !1), D(e, n);
      let o = e, s = o.firstChild;
      if (!s || s.nodeName === "BR") {
        let l = this.createDefaultBlock();
        s ? o.replaceChild(l, s) : o.appendChild(l);
      } else for (; o = M(o, n);) x(o);
      for (this._ignoreChange = !0; s = n.lastChild;) n.removeChild(s);
      n.appendChild(e),
        this._undoIndex = -1,
        this._undoStack.length = 0,
        this._undoStackLength = 0,
        this._isInUndoState = !1;
      let r = this._getRangeAndRemoveBookmark() || Q(n.firstElementChild || n, 0);
      return this.saveUndoState(r), this.setSelection(r), this._updatePath(r, !0), this;
    }
    insertHTML(t, e) {
      let n = this._config, o = n.sanitizeToDOMFragment(t, this), s = this.getSelection();
      this.saveUndoState(s);
      try {
        let r = this._root;
        n.addLinks && this.addDetectedLinks(o, o), Se(o, this._config), ae(o, r, !1), Ee(o), o.normalize();
        let l = o;
        for (; l = M(l, o);) x(l);
        let a = !0;
        if (e) {
          let d = new CustomEvent("willPaste", { cancelable: !0, detail: { html: t, fragment: o } });
          this.fireEvent("willPaste", d), o = d.detail.fragment, a = !d.defaultPrevented;
        }
        a && (Xe(s, o, r), s.collapse(!1), Be(s, "A", r), this._ensureBottomLine()),
          this.setSelection(s),
          this._updatePath(s, !0),
          e && this.focus();
      } catch (r) {
        this._config.didError(r);
      }
      return this;
    }
    insertElement(t, e) {
      if (e || (e = this.getSelection()), e.collapse(!0), g(t)) Z(e, t), e.setStartAfter(t);
      else {
        let n = this._root, o = v(e, n), s = o || n, r = null;
        for (; s !== n && !s.nextSibling;) s = s.parentNode;
        if (s !== n) {
          let a = s.parentNode;
          r = I(a, s.nextSibling, n, n);
        }
        o && de(o) && S(o), n.insertBefore(t, r);
        let l = this.createDefaultBlock();
        n.insertBefore(l, r), e.setStart(l, 0), e.setEnd(l, 0), _(e);
      }
      return this.focus(), this.setSelection(e), this._updatePath(e), this;
    }
    insertImage(t, e) {
      let n = m("IMG", Object.assign({ src: t }, e));
      return this.insertElement(n), n;
    }
    insertPlainText(t, e) {
      let n = this.getSelection();
      if (n.collapsed && N(n.startContainer, this._root, "PRE")) {
        let c = n.startContainer, f = n.startOffset, u;
        if (!c || !(c instanceof Text)) {
          let h = document.createTextNode("");
          c.insertBefore(h, c.childNodes[f]), u = h, f = 0;
        } else u = c;
        let p = !0;
        if (e) {
          let h = new CustomEvent("willPaste", { cancelable: !0, detail: { text: t } });
          this.fireEvent("willPaste", h), t = h.detail.text, p = !h.defaultPrevented;
        }
        return p && (this.saveUndoState(n), u.insertData(f, t), n.setStart(u, f + t.length), n.collapse(!0)),
          this.setSelection(n),
          this;
      }
      let o = t.split(`
`),
        s = this._config,
        r = s.blockTag,
        l = s.blockAttributes,
        a = "</" + r + ">",
        d = "<" + r;
      for (let c in l) d += " " + c + '="' + De(l[c]) + '"';
      d += ">";
      for (let c = 0, f = o.length; c < f; c += 1) {
        let u = o[c];
        u = De(u).replace(/ (?=(?: |$))/g, "&nbsp;"), c && (u = d + (u || "<BR>") + a), o[c] = u;
      }
      return this.insertHTML(o.join(""), e);
    }
    getSelectedText(t) {
      return Te(t || this.getSelection());
    }
    getFontInfo(t) {
      let e = { color: void 0, backgroundColor: void 0, fontFamily: void 0, fontSize: void 0 };
      t || (t = this.getSelection()), _(t);
      let n = 0, o = t.commonAncestorContainer;
      if (t.collapsed || o instanceof Text) {
        for (o instanceof Text && (o = o.parentNode); n < 4 && o;) {
          let s = o.style;
          if (s) {
            let r = s.color;
            !e.color && r && (e.color = r, n += 1);
            let l = s.backgroundColor;
            !e.backgroundColor && l && (e.backgroundColor = l, n += 1);
            let a = s.fontFamily;
            !e.fontFamily && a && (e.fontFamily = a, n += 1);
            let d = s.fontSize;
            !e.fontSize && d && (e.fontSize = d, n += 1);
          }
          o = o.parentNode;
        }
      }
      return e;
    }
    hasFormat(t, e, n) {
      t = t.toUpperCase(),
        e || (e = {}),
        n || (n = this.getSelection()),
        !n.collapsed && n.startContainer instanceof Text && n.startOffset === n.startContainer.length &&
        n.startContainer.nextSibling && n.setStartBefore(n.startContainer.nextSibling),
        !n.collapsed && n.endContainer instanceof Text && n.endOffset === 0 && n.endContainer.previousSibling &&
        n.setEndAfter(n.endContainer.previousSibling);
      let o = this._root, s = n.commonAncestorContainer;
      if (N(s, o, t, e)) return !0;
      if (s instanceof Text) return !1;
      let r = new T(s, 4, (d) => z(n, d, !0)), l = !1, a;
      for (; a = r.nextNode();) {
        if (!N(a, o, t, e)) return !1;
        l = !0;
      }
      return l;
    }
    changeFormat(t, e, n, o) {
      return n || (n = this.getSelection()),
        this.saveUndoState(n),
        e && (n = this._removeFormat(e.tag.toUpperCase(), e.attributes || {}, n, o)),
        t && (n = this._addFormat(t.tag.toUpperCase(), t.attributes || {}, n)),
        this.setSelection(n),
        this._updatePath(n, !0),
        this.focus();
    }
    _addFormat(t, e, n) {
      let o = this._root;
      if (n.collapsed) {
        let s = x(m(t, e));
        Z(n, s);
        let r = s.firstChild || s, l = r instanceof Text ? r.length : 0;
        n.setStart(r, l), n.collapse(!0);
        let a = s;
        for (; g(a);) a = a.parentNode;
        le(a, s);
      } else {
        let s = new T(
            n.commonAncestorContainer,
            5,
            (c) => (c instanceof Text || c.nodeName === "BR" || c.nodeName === "IMG") && z(n, c, !0),
          ),
          { startContainer: r, startOffset: l, endContainer: a, endOffset: d } = n;
        if (s.currentNode = r, !(r instanceof Element) && !(r instanceof Text) || !s.filter(r)) {
          let c = s.nextNode();
          if (!c) return n;
          r = c, l = 0;
        }
        do {
          let c = s.currentNode;
          if (!N(c, o, t, e)) {
            c === a && c.length > d && c.splitText(d),
              c === r && l &&
              (c = c.splitText(l), a === r ? (a = c, d -= l) : a === r.parentNode && (d += 1), r = c, l = 0);
            let u = m(t, e);
            k(c, u), u.appendChild(c);
          }
        } while (s.nextNode());
        n = Q(r, l, a, d);
      }
      return n;
    }
    _removeFormat(t, e, n, o) {
      this._saveRangeToBookmark(n);
      let s;
      n.collapsed && (oe ? s = document.createTextNode("\u200B") : s = document.createTextNode(""), Z(n, s));
      let r = n.commonAncestorContainer;
      for (; g(r);) r = r.parentNode;
      let l = n.startContainer,
        a = n.startOffset,
        d = n.endContainer,
        c = n.endOffset,
        f = [],
        u = (h, C) => {
          if (z(n, h, !1)) return;
          let L, O;
          if (!z(n, h, !0)) {
            !(h instanceof HTMLInputElement) && (!(h instanceof Text) || h.data) && f.push([C, h]);
            return;
          }
          if (h instanceof Text) {
            h === d && c !== h.length && f.push([C, h.splitText(c)]), h === l && a && (h.splitText(a), f.push([C, h]));
          } else for (L = h.firstChild; L; L = O) O = L.nextSibling, u(L, C);
        },
        p = Array.from(r.getElementsByTagName(t)).filter((h) => z(n, h, !0) && pe(h, t, e));
      if (
        o || p.forEach((h) => {
          u(h, h);
        }),
          f.forEach(([h, C]) => {
            h = h.cloneNode(!1), k(C, h), h.appendChild(C);
          }),
          p.forEach((h) => {
            k(h, E(h));
          }),
          oe && s
      ) {
        s = s.parentNode;
        let h = s;
        for (; h && g(h);) h = h.parentNode;
        h && le(h, s);
      }
      return this._getRangeAndRemoveBookmark(n), s && n.collapse(!1), ne(r, n), n;
    }
    bold() {
      return this.changeFormat({ tag: "B" });
    }
    removeBold() {
      return this.changeFormat(null, { tag: "B" });
    }
    italic() {
      return this.changeFormat({ tag: "I" });
    }
    removeItalic() {
      return this.changeFormat(null, { tag: "I" });
    }
    underline() {
      return this.changeFormat({ tag: "U" });
    }
    removeUnderline() {
      return this.changeFormat(null, { tag: "U" });
    }
    strikethrough() {
      return this.changeFormat({ tag: "S" });
    }
    removeStrikethrough() {
      return this.changeFormat(null, { tag: "S" });
    }
    subscript() {
      return this.changeFormat({ tag: "SUB" }, { tag: "SUP" });
    }
    removeSubscript() {
      return this.changeFormat(null, { tag: "SUB" });
    }
    superscript() {
      return this.changeFormat({ tag: "SUP" }, { tag: "SUB" });
    }
    removeSuperscript() {
      return this.changeFormat(null, { tag: "SUP" });
    }
    makeLink(t, e) {
      let n = this.getSelection();
      if (n.collapsed) {
        let o = t.indexOf(":") + 1;
        if (o) { for (; t[o] === "/";) o += 1; }
        Z(n, document.createTextNode(t.slice(o)));
      }
      return e = Object.assign({ href: t }, this._config.tagAttributes.a, e),
        this.changeFormat({ tag: "A", attributes: e }, { tag: "A" }, n);
    }
    removeLink() {
      return this.changeFormat(null, { tag: "A" }, this.getSelection(), !0);
    }
    addDetectedLinks(t, e) {
      let n = new T(t, 4, (l) => !N(l, e || this._root, "A")), o = this.linkRegExp, s = this._config.tagAttributes.a, r;
      for (; r = n.nextNode();) {
        let l = r.parentNode, a = r.data, d;
        for (; d = o.exec(a);) {
          let c = d.index, f = c + d[0].length;
          c && l.insertBefore(document.createTextNode(a.slice(0, c)), r);
          let u = m(
            "A",
            Object.assign(
              { href: d[1] ? /^(?:ht|f)tps?:/i.test(d[1]) ? d[1] : "http://" + d[1] : "mailto:" + d[0] },
              s,
            ),
          );
          u.textContent = a.slice(c, f), l.insertBefore(u, r), r.data = a = a.slice(f);
        }
      }
      return this;
    }
    setFontFace(t) {
      let e = this._config.classNames.fontFamily;
      return this.changeFormat(
        t ? { tag: "SPAN", attributes: { class: e, style: "font-family: " + t + ", sans-serif;" } } : null,
        { tag: "SPAN", attributes: { class: e } },
      );
    }
    setFontSize(t) {
      let e = this._config.classNames.fontSize;
      return this.changeFormat(
        t
          ? { tag: "SPAN", attributes: { class: e, style: "font-size: " + (typeof t == "number" ? t + "px" : t) } }
          : null,
        { tag: "SPAN", attributes: { class: e } },
      );
    }
    setTextColor(t) {
      let e = this._config.classNames.color;
      return this.changeFormat(t ? { tag: "SPAN", attributes: { class: e, style: "color:" + t } } : null, {
        tag: "SPAN",
        attributes: { class: e },
      });
    }
    setHighlightColor(t) {
      let e = this._config.classNames.highlight;
      return this.changeFormat(t ? { tag: "SPAN", attributes: { class: e, style: "background-color:" + t } } : null, {
        tag: "SPAN",
        attributes: { class: e },
      });
    }
    _ensureBottomLine() {
      let t = this._root, e = t.lastElementChild;
      (!e || e.nodeName !== this._config.blockTag || !q(e)) && t.appendChild(this.createDefaultBlock());
    }
    createDefaultBlock(t) {
      let e = this._config;
      return x(m(e.blockTag, e.blockAttributes, t));
    }
    splitBlock(t, e) {
      e || (e = this.getSelection());
      let n = this._root, o, s, r, l;
      if (
        this._recordUndoState(e),
          this._removeZWS(),
          this._getRangeAndRemoveBookmark(e),
          e.collapsed || F(e, n),
          this._config.addLinks
      ) {
        _(e);
        let u = e.startContainer, p = e.startOffset;
        setTimeout(() => {
          Ce(this, u, p);
        }, 0);
      }
      if (o = v(e, n), o && (s = N(o, n, "PRE"))) {
        _(e), r = e.startContainer;
        let u = e.startOffset;
        return r instanceof Text || (r = document.createTextNode(""), s.insertBefore(r, s.firstChild), u = 0),
          !t && r instanceof Text && (r.data.charAt(u - 1) === `
` || j(e, n)) &&
            (r.data.charAt(u) === `
` || G(e, n))
            ? (r.deleteData(u && u - 1, u ? 2 : 1),
              l = I(r, u && u - 1, n, n),
              r = l.previousSibling,
              r.textContent || S(r),
              r = this.createDefaultBlock(),
              l.parentNode.insertBefore(r, l),
              l.textContent || S(l),
              e.setStart(r, 0))
            : (r.insertData(
              u,
              `
`,
            ),
              r.nextSibling || s.appendChild(m("BR")),
              r.length === u + 1 ? e.setStartAfter(r) : e.setStart(r, u + 1)),
          e.collapse(!0),
          this.setSelection(e),
          this._updatePath(e, !0),
          this._docWasChanged(),
          this;
      }
      if (!o || t || /^T[HD]$/.test(o.nodeName)) {
        return Be(e, "A", n), Z(e, m("BR")), e.collapse(!1), this.setSelection(e), this._updatePath(e, !0), this;
      }
      if ((s = N(o, n, "LI")) && (o = s), de(o)) {
        if (N(o, n, "UL") || N(o, n, "OL")) return this.decreaseListLevel(e), this;
        if (N(o, n, "BLOCKQUOTE")) return this.replaceWithBlankLine(e), this;
      }
      r = e.startContainer;
      let a = e.startOffset, d = this.tagAfterSplit[o.nodeName];
      l = I(r, a, o.parentNode, this._root);
      let c = this._config, f = null;
      for (
        d || (d = c.blockTag, f = c.blockAttributes),
          pe(l, d, f) || (o = m(d, f), l.dir && (o.dir = l.dir), k(l, o), o.appendChild(E(l)), l = o),
          le(o),
          Ee(o),
          x(o);
        l instanceof Element;
      ) {
        let u = l.firstChild, p;
        if (l.nodeName === "A" && (!l.textContent || l.textContent === "\u200B")) {
          u = document.createTextNode(""), k(l, u), l = u;
          break;
        }
        for (; u && u instanceof Text && !u.data && (p = u.nextSibling, !(!p || p.nodeName === "BR"));) S(u), u = p;
        if (!u || u.nodeName === "BR" || u instanceof Text) break;
        l = u;
      }
      return e = Q(l, 0), this.setSelection(e), this._updatePath(e, !0), this;
    }
    forEachBlock(t, e, n) {
      n || (n = this.getSelection()), e && this.saveUndoState(n);
      let o = this._root, s = v(n, o), r = $(n, o);
      if (s && r) { do if (t(s) || s === r) break; while (s = M(s, o)); }
      return e && (this.setSelection(n), this._updatePath(n, !0)), this;
    }
    modifyBlocks(t, e) {
      e || (e = this.getSelection()), this._recordUndoState(e, this._isInUndoState);
      let n = this._root;
      we(e, n), K(e, n, n, n);
      let o = Ae(e, n, n);
      if (!e.collapsed) {
        let s = e.endContainer;
        if (s === n) e.collapse(!1);
        else {
          for (; s.parentNode !== n;) s = s.parentNode;
          e.setStartBefore(s), e.collapse(!0);
        }
      }
      return Z(e, t.call(this, o)),
        e.endOffset < e.endContainer.childNodes.length && P(e.endContainer.childNodes[e.endOffset], n),
        P(e.startContainer.childNodes[e.startOffset], n),
        this._getRangeAndRemoveBookmark(e),
        this.setSelection(e),
        this._updatePath(e, !0),
        this;
    }
    setTextAlignment(t) {
      return this.forEachBlock((e) => {
        let n = e.className.split(/\s+/).filter((o) => !!o && !/^align/.test(o)).join(" ");
        t ? (e.className = n + " align-" + t, e.style.textAlign = t) : (e.className = n, e.style.textAlign = "");
      }, !0),
        this.focus();
    }
    setTextDirection(t) {
      return this.forEachBlock((e) => {
        t ? e.dir = t : e.removeAttribute("dir");
      }, !0),
        this.focus();
    }
    _getListSelection(t, e) {
      let n = t.commonAncestorContainer, o = t.startContainer, s = t.endContainer;
      for (; n && n !== e && !/^[OU]L$/.test(n.nodeName);) n = n.parentNode;
      if (!n || n === e) return null;
      for (
        o === n && (o = o.childNodes[t.startOffset]), s === n && (s = s.childNodes[t.endOffset]);
        o && o.parentNode !== n;
      ) o = o.parentNode;
      for (; s && s.parentNode !== n;) s = s.parentNode;
      return [n, o, s];
    }
    increaseListLevel(t) {
      t || (t = this.getSelection());
      let e = this._root, n = this._getListSelection(t, e);
      if (!n) return this.focus();
      let [o, s, r] = n;
      if (!s || s === o.firstChild) return this.focus();
      this._recordUndoState(t, this._isInUndoState);
      let l = o.nodeName, a = s.previousSibling, d, c;
      a.nodeName !== l && (d = this._config.tagAttributes[l.toLowerCase()], a = m(l, d), o.insertBefore(a, s));
      do c = s === r ? null : s.nextSibling, a.appendChild(s); while (s = c);
      return c = a.nextSibling,
        c && P(c, e),
        this._getRangeAndRemoveBookmark(t),
        this.setSelection(t),
        this._updatePath(t, !0),
        this.focus();
    }
    decreaseListLevel(t) {
      t || (t = this.getSelection());
      let e = this._root, n = this._getListSelection(t, e);
      if (!n) return this.focus();
      let [o, s, r] = n;
      s || (s = o.firstChild), r || (r = o.lastChild), this._recordUndoState(t, this._isInUndoState);
      let l, a = null;
      if (s) {
        let d = o.parentNode;
        if (a = r.nextSibling ? I(o, r.nextSibling, d, e) : o.nextSibling, d !== e && d.nodeName === "LI") {
          for (d = d.parentNode; a;) l = a.nextSibling, r.appendChild(a), a = l;
          a = o.parentNode.nextSibling;
        }
        let c = !/^[OU]L$/.test(d.nodeName);
        do l = s === r ? null : s.nextSibling,
          o.removeChild(s),
          c && s.nodeName === "LI" && (s = this.createDefaultBlock([E(s)])),
          d.insertBefore(s, a); while (s = l);
      }
      return o.firstChild || S(o),
        a && P(a, e),
        this._getRangeAndRemoveBookmark(t),
        this.setSelection(t),
        this._updatePath(t, !0),
        this.focus();
    }
    _makeList(t, e) {
      let n = ce(t, this._root), o = this._config.tagAttributes, s = o[e.toLowerCase()], r = o.li, l;
      for (; l = n.nextNode();) {
        if (
          l.parentNode instanceof HTMLLIElement && (l = l.parentNode, n.currentNode = l.lastChild),
            l instanceof HTMLLIElement
        ) {
          l = l.parentNode;
          let a = l.nodeName;
          a !== e && /^[OU]L$/.test(a) && k(l, m(e, s, [E(l)]));
        } else {
          let a = m("LI", r);
          l.dir && (a.dir = l.dir);
          let d = l.previousSibling;
          d && d.nodeName === e ? (d.appendChild(a), S(l)) : k(l, m(e, s, [a])), a.appendChild(E(l)), n.currentNode = a;
        }
      }
      return t;
    }
    makeUnorderedList() {
      return this.modifyBlocks((t) => this._makeList(t, "UL")), this.focus();
    }
    makeOrderedList() {
      return this.modifyBlocks((t) => this._makeList(t, "OL")), this.focus();
    }
    removeList() {
      return this.modifyBlocks((t) => {
        let e = t.querySelectorAll("UL, OL"), n = t.querySelectorAll("LI"), o = this._root;
        for (let s = 0, r = e.length; s < r; s += 1) {
          let l = e[s], a = E(l);
          D(a, o), k(l, a);
        }
        for (let s = 0, r = n.length; s < r; s += 1) {
          let l = n[s];
          q(l) ? k(l, this.createDefaultBlock([E(l)])) : (D(l, o), k(l, E(l)));
        }
        return t;
      }),
        this.focus();
    }
    increaseQuoteLevel(t) {
      return this.modifyBlocks((e) => m("BLOCKQUOTE", this._config.tagAttributes.blockquote, [e]), t), this.focus();
    }
    decreaseQuoteLevel(t) {
      return this.modifyBlocks(
        (e) => (Array.from(e.querySelectorAll("blockquote")).filter((n) => !N(n.parentNode, e, "BLOCKQUOTE")).forEach(
          (n) => {
            k(n, E(n));
          },
        ),
          e),
        t,
      ),
        this.focus();
    }
    removeQuote(t) {
      return this.modifyBlocks((e) => (Array.from(e.querySelectorAll("blockquote")).forEach((n) => {
        k(n, E(n));
      }),
        e), t),
        this.focus();
    }
    replaceWithBlankLine(t) {
      return this.modifyBlocks(
        () =>
          this.createDefaultBlock([
            m("INPUT", { id: this.startSelectionId, type: "hidden" }),
            m("INPUT", { id: this.endSelectionId, type: "hidden" }),
          ]),
        t,
      ),
        this.focus();
    }
    code() {
      let t = this.getSelection();
      return t.collapsed || X(t.commonAncestorContainer)
        ? (this.modifyBlocks((e) => {
          let n = this._root, o = document.createDocumentFragment(), s = ce(e, n), r;
          for (; r = s.nextNode();) {
            let a = r.querySelectorAll("BR"), d = [], c = a.length;
            for (let f = 0; f < c; f += 1) d[f] = te(a[f], !1);
            for (; c--;) {
              let f = a[c];
              d[c]
                ? k(
                  f,
                  document.createTextNode(`
`),
                )
                : S(f);
            }
            for (a = r.querySelectorAll("CODE"), c = a.length; c--;) k(a[c], E(a[c]));
            o.childNodes.length && o.appendChild(document.createTextNode(`
`)), o.appendChild(E(r));
          }
          let l = new T(o, 4);
          for (; r = l.nextNode();) r.data = r.data.replace(/ /g, " ");
          return o.normalize(), x(m("PRE", this._config.tagAttributes.pre, [o]));
        }, t),
          this.focus())
        : this.changeFormat({ tag: "CODE", attributes: this._config.tagAttributes.code }, null, t),
        this;
    }
    removeCode() {
      let t = this.getSelection(), e = t.commonAncestorContainer;
      return N(e, this._root, "PRE")
        ? (this.modifyBlocks((o) => {
          let s = this._root, r = o.querySelectorAll("PRE"), l = r.length;
          for (; l--;) {
            let a = r[l], d = new T(a, 4), c;
            for (; c = d.nextNode();) {
              let f = c.data;
              f = f.replace(/ (?= )/g, "\xA0");
              let u = document.createDocumentFragment(), p;
              for (
                ;
                (p = f.indexOf(`
`)) > -1;
              ) u.appendChild(document.createTextNode(f.slice(0, p))), u.appendChild(m("BR")), f = f.slice(p + 1);
              c.parentNode.insertBefore(u, c), c.data = f;
            }
            D(a, s), k(a, E(a));
          }
          return o;
        }, t),
          this.focus())
        : this.changeFormat(null, { tag: "CODE" }, t),
        this;
    }
    toggleCode() {
      return this.hasFormat("PRE") || this.hasFormat("CODE") ? this.removeCode() : this.code(), this;
    }
    _removeFormatting(t, e) {
      for (let n = t.firstChild, o; n; n = o) {
        if (o = n.nextSibling, g(n)) {
          if (n instanceof Text || n.nodeName === "BR" || n.nodeName === "IMG") {
            e.appendChild(n);
            continue;
          }
        } else if (q(n)) {
          e.appendChild(this.createDefaultBlock([this._removeFormatting(n, document.createDocumentFragment())]));
          continue;
        }
        this._removeFormatting(n, e);
      }
      return e;
    }
    removeAllFormatting(t) {
      if (t || (t = this.getSelection()), t.collapsed) return this.focus();
      let e = this._root, n = t.commonAncestorContainer;
      for (; n && !q(n);) n = n.parentNode;
      if (n || (we(t, e), n = e), n instanceof Text) return this.focus();
      this.saveUndoState(t), K(t, n, n, e);
      let o = t.startContainer,
        s = t.startOffset,
        r = t.endContainer,
        l = t.endOffset,
        a = document.createDocumentFragment(),
        d = document.createDocumentFragment(),
        c = I(r, l, n, e),
        f = I(o, s, n, e),
        u;
      for (; f !== c;) u = f.nextSibling, a.appendChild(f), f = u;
      if (this._removeFormatting(a, d), d.normalize(), f = d.firstChild, u = d.lastChild, f) {
        n.insertBefore(d, c);
        let p = Array.from(n.childNodes);
        s = p.indexOf(f), l = u ? p.indexOf(u) + 1 : 0;
      } else c && (s = Array.from(n.childNodes).indexOf(c), l = s);
      return t.setStart(n, s),
        t.setEnd(n, l),
        ne(n, t),
        _(t),
        this.setSelection(t),
        this._updatePath(t, !0),
        this.focus();
    }
  };
  window.Squire = xe;
})();
//# sourceMappingURL=squire.js.map
