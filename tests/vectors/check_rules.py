#!/usr/bin/env python3
# Independent re-derivation (numpy / plain Python, no torch) of the rules, checked against vectors/.
import json, math, os, struct, sys
import numpy as np
V = sys.argv[1] if len(sys.argv) > 1 else 'vectors'
f32 = np.float32
def J(n): return json.load(open(f'{V}/{n}.json'))
def st(n):
    b = open(f'{V}/{n}.safetensors', 'rb').read(); k = struct.unpack('<Q', b[:8])[0]; h = json.loads(b[8:8 + k]); d = b[8 + k:]
    D = {'F32': '<f4', 'F64': '<f8', 'U8': 'u1', 'I64': '<i8', 'I32': '<i4', 'BOOL': '?'}
    return {n: np.frombuffer(d[e['data_offsets'][0]:e['data_offsets'][1]], D[e['dtype']]).reshape(e['shape']) for n, e in h.items() if n != '__metadata__'}, h.get('__metadata__', {})
def un(v):
    if isinstance(v, dict) and 'data' in v: return np.array([un(x) for x in v['data']], v['dtype']).reshape(v['shape'])
    if isinstance(v, list): return [un(x) for x in v]
    return {'NaN': math.nan, 'Infinity': math.inf, '-Infinity': -math.inf}.get(v, v) if isinstance(v, str) else v
def fma32(a, b, c): return f32(np.float64(a) * np.float64(b) + np.float64(c)) if np.isscalar(a) else (a.astype(np.float64) * np.float64(b) + c.astype(np.float64)).astype(f32)
R = []
def ok(name, good, extra=''): R.append(good); print(('PASS ' if good else 'FAIL '), name, extra)
def eq(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return a.shape == b.shape and bool(np.all((a == b) | (np.isnan(a) & np.isnan(b))))
def mx(a, b): return float(np.max(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))))

# ---- plateau
def plateau():
    bad = []
    for c in J('plateau')['cases']:
        p, m = c['params'], un(c['metrics']); lrs = c['lr0'] if isinstance(c['lr0'], list) else [c['lr0']]; lrs = list(lrs)
        mins = p['min_lr'] if isinstance(p['min_lr'], list) else [p['min_lr']] * len(lrs)
        best = math.inf if p['mode'] == 'min' else -math.inf; nb = cd = 0; out = []
        for a in m:
            th = p['threshold']
            if p['threshold_mode'] == 'rel': b = a < best * (1. - th) if p['mode'] == 'min' else a > best * (th + 1.)
            else: b = a < best - th if p['mode'] == 'min' else a > best + th
            if b: best, nb = a, 0
            else: nb += 1
            if cd > 0: cd -= 1; nb = 0
            if nb > p['patience']:
                for i in range(len(lrs)):
                    new = max(lrs[i] * p['factor'], mins[i])
                    if lrs[i] - new > p['eps']: lrs[i] = new
                cd, nb = p['cooldown'], 0
            out.append((list(lrs), best, nb, cd))
        good = all((o[0] if isinstance(e, list) else o[0][0]) == e for o, e in zip(out, c['lr'])) and eq([o[1] for o in out], un(c['best'])) and [o[2] for o in out] == c['num_bad_epochs'] and [o[3] for o in out] == c['cooldown_counter']
        if not good: bad.append(c['name'])
    ok('plateau (bit-exact doubles)', not bad, bad)

# ---- optimizers in float32, torch scalar-op order
def optim():
    t, meta = st('optim'); worst = {}
    for c in json.loads(meta['cases']):
        P = c['params']; skip = {tuple(x) for x in c['skip_grad_none']}
        for dt, tag in ((np.float32, 'f32'), (np.float64, 'f64')):
            for k in ('w', 'b'):
                w = t['param0.' + k].astype(dt); g_all = t['grad.' + k].astype(dt); exp = t[f"{c['name']}.{tag}.{k}"]; buf = None; m = v = vm = None; n = 0; err = 0
                sq = None; mb = None
                for i in range(10):
                    if (k, i) not in skip:
                        g = g_all[i]; lr = c['lr0'] * c['lr_mult'][i]; wd = P.get('weight_decay', 0.01 if c['opt'] == 'AdamW' else 0)
                        if c['opt'] == 'SGD':
                            if wd: g = g + dt(wd) * w
                            mu = P.get('momentum', 0)
                            if mu:
                                buf = g.copy() if buf is None else buf * dt(mu) + dt(1 - P.get('dampening', 0)) * g
                                g = g + dt(mu) * buf if P.get('nesterov') else buf
                            w = w - dt(lr) * g
                        elif c['opt'] in ('Adam', 'AdamW'):
                            b1, b2 = P.get('betas', (0.9, 0.999)); eps = P.get('eps', 1e-8); n += 1
                            if m is None: m, v, vm = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
                            if c['opt'] == 'AdamW': w = w * dt(1 - lr * wd)
                            elif wd: g = g + dt(wd) * w
                            m = m * dt(b1) + dt(1 - b1) * g; v = v * dt(b2) + dt(1 - b2) * g * g
                            vv = v
                            if P.get('amsgrad'): vm = np.maximum(vm, v); vv = vm
                            den = np.sqrt(vv) / dt(math.sqrt(1 - b2 ** n)) + dt(eps)
                            w = w + dt(-(lr / (1 - b1 ** n))) * m / den
                        else:
                            al, eps, mu = P.get('alpha', .99), P.get('eps', 1e-8), P.get('momentum', 0)
                            if sq is None: sq, mb = np.zeros_like(w), np.zeros_like(w)
                            sq = sq * dt(al) + dt(1 - al) * g * g; mb = mb * dt(mu) + g / (np.sqrt(sq) + dt(eps)); w = w - dt(lr) * mb
                    err = max(err, mx(w, exp[i]))
                worst[tag] = max(worst.get(tag, 0), err)
    ok('optimizers', worst['f64'] < 1e-13 and worst['f32'] < 2e-6, worst)

# ---- PIL geometry
def FLOOR(v): return math.floor(v) if v < 0 else int(v)
def rot_matrix(w, h, angle, center=None):
    a = -math.radians(angle % 360.0); m = [round(math.cos(a), 15), round(math.sin(a), 15), 0., round(-math.sin(a), 15), round(math.cos(a), 15), 0.]
    cx, cy = center if center else (w / 2.0, h / 2.0)
    m[2] = m[0] * -cx + m[1] * -cy + m[2] + cx; m[5] = m[3] * -cx + m[4] * -cy + m[5] + cy
    return m
def pil_affine(img, m, interp, fill, ow=None, oh=None):
    h, w, ch = img.shape; ow, oh = ow or w, oh or h
    out = np.empty((oh, ow, ch), np.uint8); out[:] = fill
    if interp == 'nearest':
        if m[1] == 0 and m[3] == 0:      # ImagingScaleAffine: per-axis, accumulated doubles
            xo, yo = m[2] + m[0] * 0.5, m[5] + m[4] * 0.5
            xs = []
            for x in range(ow): xi = -1 if xo < 0 else int(xo); xs.append(xi); xo += m[0]
            for y in range(oh):
                yi = -1 if yo < 0 else int(yo)
                if 0 <= yi < h:
                    for x in range(ow):
                        if 0 <= xs[x] < w: out[y, x] = img[yi, xs[x]]
                yo += m[4]
            return out
        FX = lambda v: FLOOR(v * 65536.0 + 0.5)
        a0, a1, a3, a4 = FX(m[0]), FX(m[1]), FX(m[3]), FX(m[4]); a2, a5 = FX(m[2] + m[0] * .5 + m[1] * .5), FX(m[5] + m[3] * .5 + m[4] * .5)
        for y in range(oh):
            xx, yy = a2, a5
            for x in range(ow):
                xi, yi = xx >> 16, yy >> 16
                if 0 <= xi < w and 0 <= yi < h: out[y, x] = img[yi, xi]
                xx += a0; yy += a3
            a2 += a1; a5 += a4
        return out
    for y in range(oh):
        for x in range(ow):
            xi = m[0] * (x + .5) + m[1] * (y + .5) + m[2]; yi = m[3] * (x + .5) + m[4] * (y + .5) + m[5]
            if xi < 0 or xi >= w or yi < 0 or yi >= h: continue
            xi -= .5; yi -= .5; x0, y0 = FLOOR(xi), FLOOR(yi); dx, dy = xi - x0, yi - y0
            cl = lambda v, n: 0 if v < 0 else min(v, n - 1)
            for c in range(ch):
                r = img[cl(y0, h), :, c]; A, B = float(r[cl(x0, w)]), float(r[cl(x0 + 1, w)]); v1 = A + (B - A) * dx
                if 0 <= y0 + 1 < h: r = img[y0 + 1, :, c]; A, B = float(r[cl(x0, w)]), float(r[cl(x0 + 1, w)]); v2 = A + (B - A) * dx
                else: v2 = v1
                out[y, x, c] = int(v1 + (v2 - v1) * dy)
    return out
def tensor_rotate(img, angle, interp, fill):
    h, w, ch = img.shape; r = math.radians(-angle)     # _get_inverse_affine_matrix(angle=-angle)
    a, b, c, d = math.cos(r), -math.sin(r), math.sin(r), math.cos(r); m = [d, -b, 0., -c, a, 0.]
    th = np.array(m, f32).reshape(2, 3)
    xs = (-w * .5 + .5 + np.arange(w)).astype(f32); ys = (-h * .5 + .5 + np.arange(h)).astype(f32)
    rt = th.T / np.array([0.5 * w, 0.5 * h], f32)
    out = np.zeros((h, w, ch), np.uint8)
    for y in range(h):
        for x in range(w):
            g = [f32(f32(f32(xs[x] * rt[0, k]) + f32(ys[y] * rt[1, k])) + rt[2, k]) for k in (0, 1)]
            ix = f32(f32(f32(g[0] + f32(1)) * f32(w) - f32(1)) / f32(2)); iy = f32(f32(f32(g[1] + f32(1)) * f32(h) - f32(1)) / f32(2))
            if interp == 'nearest':
                xi, yi = int(np.rint(ix)), int(np.rint(iy)); out[y, x] = img[yi, xi] if 0 <= xi < w and 0 <= yi < h else fill
            else:
                x0, y0 = int(np.floor(ix)), int(np.floor(iy)); acc = np.zeros(ch); mk = 0.
                for (yy, xx, wt) in ((y0, x0, (x0 + 1 - ix) * (y0 + 1 - iy)), (y0, x0 + 1, (ix - x0) * (y0 + 1 - iy)), (y0 + 1, x0, (x0 + 1 - ix) * (iy - y0)), (y0 + 1, x0 + 1, (ix - x0) * (iy - y0))):
                    if 0 <= xx < w and 0 <= yy < h: acc += img[yy, xx] * float(wt); mk += float(wt)
                v = acc * mk + (1 - mk) * fill        # NB torchvision multiplies the already-weighted image by the mask AGAIN
                out[y, x] = np.clip(np.rint(v), 0, 255)
    return out
def rotate():
    t, _ = st('rotate'); bad, tot, tb = [], 0, {}
    for c in J('rotate')['cases']:
        img = t[c['img']]; h, w, _ = img.shape; exp = t[c['key']]
        if c['op'] == 'rotate' and c['backend'] == 'pil':
            a = c['angle'] % 360; fill = c.get('fill', 0)
            if not c.get('center') and not c.get('expand') and a == 0: o = img
            elif not c.get('center') and a == 180: o = img[::-1, ::-1]
            elif not c.get('center') and a in (90, 270) and (c.get('expand') or w == h): o = np.rot90(img, 1 if a == 90 else 3)
            elif c.get('expand'):
                m = rot_matrix(w, h, c['angle']); P = [(m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]) for x, y in ((0, 0), (w, 0), (w, h), (0, h))]
                nw = math.ceil(max(p[0] for p in P)) - math.floor(min(p[0] for p in P)); nh = math.ceil(max(p[1] for p in P)) - math.floor(min(p[1] for p in P))
                dx, dy = -(nw - w) / 2.0, -(nh - h) / 2.0; m[2], m[5] = m[0] * dx + m[1] * dy + m[2], m[3] * dx + m[4] * dy + m[5]
                o = pil_affine(img, m, c['interp'], fill, nw, nh)
            else: o = pil_affine(img, rot_matrix(w, h, c['angle'], c.get('center')), c['interp'], fill)
            tot += 1
            if not np.array_equal(o, exp): bad.append(c['key'])
        elif c['op'] == 'rotate':
            o = tensor_rotate(img, c['angle'], c['interp'], 0); d = np.abs(o.astype(int) - exp.astype(int))
            tb.setdefault(c['interp'], []).append((c['key'], int((d.max(2) > (0 if c['interp'] == 'nearest' else 1)).sum())))
        elif c['op'] == 'affine':
            ang, (tx, ty), sc, (sx, sy) = c['angle'], c['translate'], c['scale'], c['shear']
            r, sx, sy = math.radians(ang), math.radians(sx), math.radians(sy); cx, cy = w * 0.5, h * 0.5
            A, B = math.cos(r - sy) / math.cos(sy), -math.cos(r - sy) * math.tan(sx) / math.cos(sy) - math.sin(r); C_, D = math.sin(r - sy) / math.cos(sy), -math.sin(r - sy) * math.tan(sx) / math.cos(sy) + math.cos(r)
            m = [x / sc for x in (D, -B, 0., -C_, A, 0.)]; m[2] += m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx; m[5] += m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
            tot += 1
            if not np.array_equal(pil_affine(img, m, c['interp'], 0), exp): bad.append(c['key'])
    ok(f'rotate/affine PIL exact ({tot} cases)', not bad, bad); 
    for k, v in tb.items(): ok(f'rotate tensor {k} (pixels differing)', sum(n for _, n in v) <= 8, [x for x in v if x[1]])

# ---- PIL resize
def coeffs(n_in, n_out, kind):
    sup = {'bilinear': 1.0, 'bicubic': 2.0}[kind]; sc = n_in / n_out; fs = max(sc, 1.0); S = sup * fs; out = []
    def flt(x):
        x = abs(x)
        if kind == 'bilinear': return 1 - x if x < 1 else 0.0
        a = -0.5
        return ((a + 2) * x - (a + 3)) * x * x + 1 if x < 1 else (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0
    for xx in range(n_out):
        c = (xx + 0.5) * sc; lo = max(int(c - S + 0.5), 0); hi = min(int(c + S + 0.5), n_in); k = [flt((x + lo - c + 0.5) * (1.0 / fs)) for x in range(hi - lo)]; s = 0.0
        for q in k: s += q
        out.append((lo, [int((-0.5 if q / s < 0 else 0.5) + q / s * (1 << 22)) for q in k]))
    return out
def pil_resize(img, oh, ow, kind):
    h, w, ch = img.shape
    if (h, w) == (oh, ow): return img
    if kind == 'nearest': 
        return np.stack([np.stack([img[int((y + .5) * (h / oh)), int((x + .5) * (w / ow))] for x in range(ow)]) for y in range(oh)])
    def pas(a, n_out):
        C = coeffs(a.shape[1], n_out, kind); o = np.empty((a.shape[0], n_out, ch), np.uint8)
        for x, (lo, k) in enumerate(C):
            s = np.full((a.shape[0], ch), 1 << 21, np.int64)
            for i, q in enumerate(k): s += a[:, lo + i].astype(np.int64) * q
            o[:, x] = np.clip(s >> 22, 0, 255)
        return o
    if w != ow: img = pas(img, ow)
    if h != oh: img = pas(img.transpose(1, 0, 2), oh).transpose(1, 0, 2)
    return img
def torch_resize(img, oh, ow, kind, aa):
    h, w, ch = img.shape; x = img.astype(f32)
    if kind == 'nearest':
        sy, sx = f32(h) / f32(oh), f32(w) / f32(ow)
        return np.stack([np.stack([img[min(int(f32(y) * sy), h - 1), min(int(f32(q) * sx), w - 1)] for q in range(ow)]) for y in range(oh)])
    def ax(n_in, n_out):
        L = []
        for i in range(n_out):
            s = f32(n_in) / f32(n_out)
            if not aa:
                r = max(s * f32(i + 0.5) - f32(0.5), f32(0)); i0 = int(r); l = r - f32(i0); i1 = min(i0 + 1, n_in - 1); L.append(([i0, i1], [f32(1) - l, l]))
            else:
                sc = n_in / n_out; S = max(sc, 1.0); c = sc * (i + .5); lo = max(int(c - S + .5), 0); hi = min(int(c + S + .5), n_in); k = np.array([max(0., 1 - abs((q + lo - c + .5) / S)) for q in range(hi - lo)]); L.append((list(range(lo, hi)), list(k / k.sum())))
        return L
    t = np.stack([sum(x[:, j] * f32(wt) for j, wt in zip(ix, wts)) for ix, wts in ax(w, ow)], 1); t = np.stack([sum(t[j] * f32(wt) for j, wt in zip(ix, wts)) for ix, wts in ax(h, oh)], 0)
    return np.clip(np.rint(t), 0, 255).astype(np.uint8)
def geometry():
    t, _ = st('geometry'); A, D = t['A'], t['D']; bad, tt = [], []
    for c in J('geometry')['cases']:
        e = t[c['key']]; o = None
        if c['op'] == 'hflip': o = A[:, ::-1]
        elif c['op'] == 'vflip': o = A[::-1]
        elif c['op'] == 'pad':
            l, tp, r, b = c['padding_ltrb']; o = np.pad(A, ((tp, b), (l, r), (0, 0)), **({'mode': 'constant', 'constant_values': c['fill']} if c['mode'] == 'constant' else {'mode': c['mode']}))
        elif c['op'] == 'crop': o = crop(A, c['top'], c['left'], c['height'], c['width'])
        elif c['op'] == 'center_crop':
            H, W = A.shape[:2]; ch, cw = c['size']; I = A
            if cw > W or ch > H:
                p = [(cw - W) // 2 if cw > W else 0, (ch - H) // 2 if ch > H else 0, (cw - W + 1) // 2 if cw > W else 0, (ch - H + 1) // 2 if ch > H else 0]
                I = np.pad(A, ((p[1], p[3]), (p[0], p[2]), (0, 0))); H, W = I.shape[:2]
            o = crop(I, int(round((H - ch) / 2.0)), int(round((W - cw) / 2.0)), ch, cw)
        elif c['op'] == 'resize' and c['backend'] == 'pil':
            s = c['size'] if isinstance(c['size'], list) else ([int(c['size'] * 17 / 13), c['size']]); o = pil_resize(D, s[0], s[1], c['interp'])
        elif c['op'] == 'resize':
            o = torch_resize(D, *c['size'], c['interp'], c['antialias']); d = np.abs(o.astype(int) - e.astype(int)); tt.append((c['key'], int((d > 0).sum()), int(d.max()))); continue
        elif c['op'] == 'resized_crop': i, j, h, w = c['ijhw']; o = pil_resize(D[i:i + h, j:j + w], *c['size'], 'bilinear')
        elif c['op'] == 'erase': i, j, h, w = c['ijhw']; o = A.transpose(2, 0, 1).astype(f32).copy(); o[:, i:i + h, j:j + w] = np.array(c['v'], f32)[:, None, None]
        if o is None or not np.array_equal(o, e): bad.append(c['key'])
    ok('geometry exact', not bad, bad); ok('resize tensor within 1', all(m <= 1 for _, _, m in tt), [x for x in tt if x[1]])
def crop(a, top, left, h, w):
    o = np.zeros((h, w, a.shape[2]), a.dtype)
    for y in range(h):
        for x in range(w):
            if 0 <= y + top < a.shape[0] and 0 <= x + left < a.shape[1]: o[y, x] = a[y + top, x + left]
    return o

# ---- colour
def L24(a): a = a.astype(np.int64); return (a[..., 0] * 19595 + a[..., 1] * 38470 + a[..., 2] * 7471 + 0x8000) >> 16
def pil_blend(deg, img, k):
    k32 = f32(k); 
    if k == 0.0: return deg.astype(np.uint8)
    if k == 1.0: return img.copy()
    d = img.astype(np.int32) - deg.astype(np.int32); tv = (deg.astype(f32) + k32 * d.astype(f32)).astype(f32)
    if 0 <= k32 <= 1: return tv.astype(np.int32).astype(np.uint8)
    return np.where(tv <= 0, 0, np.where(tv >= 255, 255, tv.astype(np.int32))).astype(np.uint8)
def pil_bright(a, k): return pil_blend(np.zeros_like(a), a, k)
def pil_contrast(a, k): g = L24(a); m = int(int(g.sum()) / g.size + 0.5); return pil_blend(np.full_like(a, m), a, k)
def pil_sat(a, k): return pil_blend(np.repeat(L24(a)[..., None], 3, 2).astype(np.uint8), a, k)
def pil_hue(a, k):
    out = np.empty_like(a); add = int(k * 255) & 255       # np.uint8(float) truncates toward zero, wraps
    clip8 = lambda v: 0 if v <= 0 else 255 if v >= 255 else int(v)
    for i, (r, g, b) in enumerate(a.reshape(-1, 3).astype(int)):
        mxv, mnv = max(r, g, b), min(r, g, b)
        if mxv == mnv: uh = us = 0
        else:
            cr = f32(mxv - mnv); s = cr / f32(mxv); rc, gc, bc = f32(mxv - r) / cr, f32(mxv - g) / cr, f32(mxv - b) / cr
            h = (bc - gc) if r == mxv else f32(2.0 + float(rc) - float(bc)) if g == mxv else f32(4.0 + float(gc) - float(rc))
            h = f32(math.fmod(float(h) / 6.0 + 1.0, 1.0)); uh, us = clip8(int(float(h) * 255.0)), clip8(int(float(s) * 255.0))
        uh = (uh + add) & 255; v = mxv
        if us == 0: rgb = (v, v, v)
        else:
            fs = f32(us / 255.0); hh = f32(uh * 6.0 / 255.0); ii = int(math.floor(hh)); f = f32(hh - f32(ii))
            rnd = lambda x: int(math.floor(x + 0.5))
            p, q, t_ = clip8(rnd(v * (1.0 - float(fs)))), clip8(rnd(v * (1.0 - float(f32(fs * f))))), clip8(rnd(v * (1.0 - float(fs) * (1.0 - float(f)))))
            rgb = ((v, t_, p), (q, v, p), (p, v, t_), (p, q, v), (t_, p, v), (v, p, q))[ii % 6]
        out.reshape(-1, 3)[i] = rgb
    return out
def color():
    t, _ = st('color'); bad, tens, hue = [], [], []
    F = {'brightness': pil_bright, 'contrast': pil_contrast, 'saturation': pil_sat}
    for c in J('color')['cases']:
        a = t[c['img']]; e = t[c['key']]
        if c['op'] == 'chain':
            o = a
            for fn, k in c['seq']: o = F[fn](o, k)
        elif c['op'] == 'to_L': o = L24(a).astype(np.uint8)
        elif c['op'] == 'hue':
            if c['backend'] == 'pil': o = pil_hue(a, c['factor']); hue.append((c['key'], int((np.abs(o.astype(int) - e.astype(int)) > 0).sum())))
            continue
        elif c['backend'] == 'pil': o = F[c['op']](a, c['factor'])
        else:
            u8 = c['backend'] == 'tensor_u8'; x = a.astype(f32) if u8 else (a.astype(f32) / f32(255)); k = f32(c['factor']); one = f32(1.0 - float(c['factor'])); bd = f32(255 if u8 else 1)
            gray = f32(0.2989) * x[..., 0] + f32(0.587) * x[..., 1] + f32(0.114) * x[..., 2]; gray = np.trunc(gray) if u8 else gray
            d = 0 if c['op'] == 'brightness' else gray[..., None] if c['op'] == 'saturation' else f32(gray.astype(np.float64).mean())
            o = np.clip(k * x + one * d, 0, bd); o = o.astype(np.uint8) if u8 else o.transpose(2, 0, 1); tens.append((c['key'], mx(o, e))); continue
        if not np.array_equal(o, e): bad.append(c['key'])
    ok('color PIL exact', not bad, bad); ok('hue PIL exact', all(n == 0 for _, n in hue), [x for x in hue if x[1]]); ok('color tensor', all(v <= (1 if '.u8.' in k else 3e-7) for k, v in tens), [x for x in tens if x[1] > 1e-6])
    t, _ = st('to_tensor_normalize'); v = (np.arange(256).astype(f32) / f32(255)); ok('to_tensor', eq(v, t['to_tensor_channel0']), f"u8*(1/255f) differs for {int(t['u8_to_u8_float_div_mulinv_differs'].sum())}/256 values")
    n = np.stack([(v - f32(m)) / f32(s) for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]); ok('normalize', eq(n, t['imagenet_norm']))

# ---- losses / bn / clip / imagefolder / pools
def losses():
    bad = []
    for c in J('loss')['cases']:
        x = un(c['logits']).astype(np.float64); N, C = x.shape; eps = c['params'].get('label_smoothing', 0.0); red = c['params'].get('reduction', 'mean'); w = np.ones(C) if c['weight'] is None else un(c['weight']).astype(np.float64); tg = un(c['target'])
        lp = x - x.max(1, keepdims=True); lp -= np.log(np.exp(lp).sum(1, keepdims=True)); sm = np.exp(lp)
        if tg.dtype.kind == 'f':
            q = tg.astype(np.float64); q = q * (1 - eps) + eps / C; per = -(q * lp * w).sum(1); L = per.sum() / N; g = (sm * (q * w).sum(1, keepdims=True) - q * w) / N
        else:
            ign = tg == c['params'].get('ignore_index', -100); q = np.zeros((N, C)); 
            for i in range(N):
                if not ign[i]: q[i] = eps / C * w; q[i, tg[i]] += (1 - eps) * w[tg[i]]
            per = -(q * np.where(np.isfinite(lp), lp, 0)).sum(1); den = sum(w[tg[i]] for i in range(N) if not ign[i]); g = sm * q.sum(1, keepdims=True) - q
            if red == 'mean':
                with np.errstate(all='ignore'): L = np.float64(per.sum()) / den; g = g / den if den else g * 0
            else: L = per.sum() if red == 'sum' else per
        e, ge = un(c['loss_f64']), un(c['grad_f64'])
        if not (np.allclose(L, e, rtol=1e-12, atol=1e-13, equal_nan=True) and np.allclose(g, ge, rtol=1e-10, atol=1e-13, equal_nan=True)): bad.append((c['name'], L, e, mx(g, ge)))
    ok('cross entropy', not bad, bad)
    t, _ = st('batchnorm'); w, b = t['bn.weight'].astype(np.float64), t['bn.bias'].astype(np.float64); rm, rv = np.zeros(3), np.ones(3); bad = []
    S = lambda v: v[None, :, None, None]
    for i in range(3):
        x, dy = t[f'bn.x{i}'].astype(np.float64), t[f'bn.dy{i}'].astype(np.float64); n = 12; mu = x.mean((0, 2, 3)); var = ((x - S(mu)) ** 2).mean((0, 2, 3)); iv = 1 / np.sqrt(var + 1e-5); xh = (x - S(mu)) * S(iv); y = xh * S(w) + S(b)
        dw, db = (dy * xh).sum((0, 2, 3)), dy.sum((0, 2, 3)); dx = S(w * iv / n) * (n * dy - S(db) - xh * S(dw)); rm = 0.9 * rm + 0.1 * mu; rv = 0.9 * rv + 0.1 * var * n / (n - 1)
        for k, v in dict(y=y, dx=dx, dw=dw, db=db, running_mean=rm, running_var=rv).items():
            if mx(v, t[f'bn.default.f64.{i}.{k}']) > 1e-12: bad.append((i, k, mx(v, t[f'bn.default.f64.{i}.{k}'])))
    x, dy = t['bn.x0'].astype(np.float64), t['bn.dy0'].astype(np.float64); iv = 1 / np.sqrt(rv + 1e-5)
    for k, v in dict(y=(x - S(rm)) * S(iv * w) + S(b), dx=dy * S(w * iv), dw=(dy * (x - S(rm)) * S(iv)).sum((0, 2, 3)), db=dy.sum((0, 2, 3))).items():
        if mx(v, t['bn.default.f64.eval.' + k]) > 1e-12: bad.append(('eval', k))
    ok('batchnorm', not bad, bad)
    t, _ = st('pool_relu'); bad = []
    for key, k, s, p, ceil in (('max_k3s2p1', 3, 2, 1, 0), ('max_k2s2', 2, 2, 0, 0), ('max_k3s2_ceil', 3, 2, 0, 1), ('max_nan', 3, 2, 1, 0)):
        x, dy = t[key + '.x'], t[key + '.dy']; N, C, H, W = x.shape; o = lambda n: (lambda q: q - 1 if ceil and (q - 1) * s >= n + p else q)((math.ceil if ceil else math.floor)((n + 2 * p - k) / s) + 1)
        y = np.zeros((N, C, o(H), o(W)), f32); ix = np.zeros_like(y, np.int64); dx = np.zeros_like(x)
        for n in range(N):
            for c in range(C):
                for a in range(o(H)):
                    for b in range(o(W)):
                        h0, w0 = max(a * s - p, 0), max(b * s - p, 0); m, mi = -math.inf, h0 * W + w0
                        for yy in range(h0, min(a * s - p + k, H)):
                            for xx in range(w0, min(b * s - p + k, W)):
                                v = x[n, c, yy, xx]
                                if v > m or v != v: m, mi = v, yy * W + xx
                        y[n, c, a, b], ix[n, c, a, b] = m, mi; dx[n, c].reshape(-1)[mi] += dy[n, c, a, b]
        if y.shape != t[key + '.y'].shape or not eq(y, t[key + '.y']) or not eq(ix, t[key + '.idx']) or mx(dx, t[key + '.dx']) > 1e-6: bad.append(key)
    ok('maxpool', not bad, bad)
    bad = []
    for c in J('clip_grad')['cases']:
        g = [un(x).astype(np.float64) for x in c['grads']]; e = [un(x) for x in c['out']]
        if 'clip_value' in c['params']: o = [np.clip(x, -c['params']['clip_value'], c['params']['clip_value']) for x in g]
        else:
            with np.errstate(all='ignore'):
                f = np.concatenate([x.reshape(-1) for x in g]); nt = un(c['params'].get('norm_type', 2.0)); nrm = np.abs(f).max() if nt == math.inf else (np.abs(f) ** nt).sum() ** (1 / nt); k = c['params']['max_norm'] / (nrm + 1e-6); k = 1.0 if k > 1 else k; o = [x * k for x in g]
        if not all(np.allclose(a, b, rtol=3e-7, atol=0, equal_nan=True) for a, b in zip(o, e)): bad.append(c['name'])
    ok('clip_grad', not bad, bad)
    r = J('imagefolder'); ext = tuple(r['extensions']); dirs = {}
    for f in r['files']:
        if '/' in f: dirs.setdefault(f.split('/')[0], []).append(f)
    cl = sorted(dirs); sm = []
    for i, c in enumerate(cl):
        by = {}
        for f in dirs[c]: by.setdefault(os.path.dirname(f), []).append(os.path.basename(f))
        for d in sorted(by):
            for f in sorted(by[d]):
                if f.lower().endswith(ext): sm.append([d + '/' + f, i])
    ok('imagefolder order', cl == r['classes'] and sm == r['samples'])
    r = J('rrc_params'); bad = []
    for c in r['wh']:
        a = c['H'] * c['W'] * c['scale']; q = math.exp(c['log_ratio'])
        if (int(round(math.sqrt(a * q))), int(round(math.sqrt(a / q)))) != (c['w'], c['h']): bad.append(c)
    for c in r['fallback']:
        H, W = c['H'], c['W']; q = W / H
        if q < 3 / 4: w, h = W, int(round(W / (3 / 4)))
        elif q > 4 / 3: h, w = H, int(round(H * (4 / 3)))
        else: h, w = H, W
        if [(H - h) // 2, (W - w) // 2, h, w] != c['ijhw']: bad.append(c)
    ok('rrc', not bad, bad)
def det(name, n):
    s = 0x811C9DC5
    for ch in name.encode(): s = ((s ^ ch) * 0x01000193) & 0xFFFFFFFF
    o = []
    for i in range(n):
        x = (s + i * 0x9E3779B9) & 0xFFFFFFFF; x ^= x >> 16; x = x * 0x85EBCA6B & 0xFFFFFFFF; x ^= x >> 13; x = x * 0xC2B2AE35 & 0xFFFFFFFF; x ^= x >> 16; o.append(x / 4294967296.0)
    return np.array(o)
def formula():
    t, _ = st('conv_linear'); ok('det() formula', eq((-1 + 2 * det('lin.w', 15)).astype(f32), t['linear.w'].reshape(-1)))
    t, _ = st('rotate'); A = np.array([[[(y * y * 31 + x * 57 + k * 83 + x * y * 7 + (x ^ y) * 13) & 255 for k in range(3)] for x in range(5)] for y in range(7)], np.uint8); ok('image() formula', np.array_equal(A, t['A']))
for f in (formula, plateau, optim, rotate, geometry, color, losses): f()
print('ALL', all(R), len(R)); sys.exit(0 if all(R) else 1)
