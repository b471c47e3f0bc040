#!/usr/bin/env python3
# Generates PyTorch/torchvision/PIL reference vectors. Run with Debian's python:
#   /usr/bin/python3 make_vectors.py [outdir]       (torch 1.13.1, torchvision 0.14.1, Pillow 9.4, numpy 1.24)
# Tensors go to <name>.safetensors (8-byte LE header length + JSON header + raw LE data), facts to <name>.json.
# Floats in JSON: doubles are repr() (17 digits), float32 are %.9g. Non-finite: strings "NaN","Infinity","-Infinity".
import json, math, os, struct, sys, tempfile, warnings
import numpy as np
import torch, torchvision
import torch.nn as nn, torch.nn.functional as F
import torchvision.transforms as T, torchvision.transforms.functional as TF
from torchvision.transforms import InterpolationMode as IM
from PIL import Image
import PIL
warnings.filterwarnings('ignore')
torch.set_num_threads(1)
OUT = sys.argv[1] if len(sys.argv) > 1 else 'vectors'
os.makedirs(OUT, exist_ok=True)
INDEX = {}

# ------------------------------------------------------------------ writers
def enc(v):
    if isinstance(v, dict): return {k: enc(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)): return [enc(x) for x in v]
    if isinstance(v, torch.Tensor): return enc(v.detach().cpu().numpy())
    if isinstance(v, np.ndarray): return {'shape': list(v.shape), 'dtype': str(v.dtype), 'data': [enc(x) for x in v.reshape(-1)]}
    if isinstance(v, np.float32):
        v = float(v)
        return 'NaN' if v != v else ('Infinity' if v == math.inf else '-Infinity' if v == -math.inf else float('%.9g' % v))
    if isinstance(v, (float, np.floating)):
        v = float(v)
        return 'NaN' if v != v else ('Infinity' if v == math.inf else '-Infinity' if v == -math.inf else v)
    if isinstance(v, (np.integer,)): return int(v)
    if isinstance(v, (np.bool_,)): return bool(v)
    return v

def wjson(name, obj, about):
    p = os.path.join(OUT, name + '.json')
    with open(p, 'w') as f: json.dump(enc(obj), f, indent=None, separators=(',', ':')); f.write('\n')
    INDEX[name + '.json'] = about

DT = {'float32': 'F32', 'float64': 'F64', 'uint8': 'U8', 'int64': 'I64', 'int32': 'I32', 'bool': 'BOOL'}
def wst(name, tensors, meta, about):
    hdr, blobs, off = {}, [], 0
    for k, t in tensors.items():
        a = t.detach().cpu().numpy() if isinstance(t, torch.Tensor) else np.asarray(t)
        a = np.ascontiguousarray(a); b = a.tobytes()
        hdr[k] = {'dtype': DT[str(a.dtype)], 'shape': list(a.shape), 'data_offsets': [off, off + len(b)]}
        off += len(b); blobs.append(b)
    hdr['__metadata__'] = {k: (v if isinstance(v, str) else json.dumps(enc(v))) for k, v in meta.items()}
    h = json.dumps(hdr, separators=(',', ':')).encode(); h += b' ' * (-len(h) % 8)
    with open(os.path.join(OUT, name + '.safetensors'), 'wb') as f:
        f.write(struct.pack('<Q', len(h))); f.write(h); [f.write(b) for b in blobs]
    INDEX[name + '.safetensors'] = about

def det(name, *shape, lo=-1.0, hi=1.0, dtype=torch.float32):
    """Deterministic fill any C program can redo: FNV-1a(name) + i*golden -> murmur3 fmix32 -> [lo,hi)."""
    seed = 0x811C9DC5
    for ch in name.encode(): seed = ((seed ^ ch) * 0x01000193) & 0xFFFFFFFF
    n = int(np.prod(shape)) if shape else 1
    x = (np.uint64(seed) + np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B9)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16); x = (x * np.uint64(0x85EBCA6B)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(13); x = (x * np.uint64(0xC2B2AE35)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    u = x.astype(np.float64) / 4294967296.0
    return torch.from_numpy((lo + (hi - lo) * u).reshape(shape)).to(torch.float64).to(dtype)

def image(h, w, c=3):
    y, x, k = np.meshgrid(np.arange(h), np.arange(w), np.arange(c), indexing='ij')
    return ((y * y * 31 + x * 57 + k * 83 + x * y * 7 + (x ^ y) * 13) & 255).astype(np.uint8)   # HWC

# ------------------------------------------------------------------ 1. plateau
def plateau():
    from torch.optim.lr_scheduler import ReduceLROnPlateau
    inf, nan = math.inf, math.nan
    rng = np.random.RandomState(7)
    walk = [float(round(v, 6)) for v in 2.0 * np.exp(-0.03 * np.arange(60)) + 0.05 * rng.randn(60)]
    acc = [float(round(v, 6)) for v in 0.9 - 0.6 * np.exp(-0.1 * np.arange(60)) + 0.01 * rng.randn(60)]
    C = []
    def case(name, metrics, lr0=0.1, note='', **kw):
        groups = lr0 if isinstance(lr0, list) else [lr0]
        opt = torch.optim.SGD([{'params': [nn.Parameter(torch.zeros(1))], 'lr': l} for l in groups], lr=groups[0])
        s = ReduceLROnPlateau(opt, **kw)
        tr = {'lr': [], 'best': [], 'num_bad_epochs': [], 'cooldown_counter': []}
        for m in metrics:
            s.step(m)
            tr['lr'].append([g['lr'] for g in opt.param_groups] if isinstance(lr0, list) else opt.param_groups[0]['lr'])
            tr['best'].append(s.best); tr['num_bad_epochs'].append(s.num_bad_epochs); tr['cooldown_counter'].append(s.cooldown_counter)
        p = dict(mode='min', factor=0.1, patience=10, threshold=1e-4, threshold_mode='rel', cooldown=0, min_lr=0, eps=1e-8); p.update(kw)
        C.append({'name': name, 'note': note, 'params': p, 'lr0': lr0, 'metrics': list(metrics), **tr})
    case('default_flat', [1.0] * 40, note='patience=10: reduces at the 12th equal value (1st sets best, 11 bad)')
    for p in (0, 1, 2, 3): case(f'patience{p}_flat', [1.0] * 12, patience=p)
    case('threshold_exact_rel_min', [1.0, 0.9999, 0.9998, 0.99979, 0.9], patience=1, note='a == best*(1-thr) is NOT better (strict <)')
    case('threshold_exact_abs_min', [1.0, 0.9, 0.8999, 0.8], patience=0, threshold=0.1, threshold_mode='abs', factor=0.5)
    case('threshold_exact_abs_max', [0.5, 0.75, 0.76, 1.0, 1.26], mode='max', patience=0, threshold=0.25, threshold_mode='abs', factor=0.5)
    case('slow_improve_below_threshold', [1.0 - 5e-5 * i for i in range(12)], patience=2, note='best only moves when the total gain beats thr; best stays at old value so small gains accumulate')
    case('neg_flat_rel_min', [-1.0] * 8, patience=1, note='NEGATIVE+rel: best*(1-thr) = -0.9999 > -1.0 so a flat (even slightly worse) metric counts as better forever')
    case('neg_worse_rel_min', [-1.0, -0.99995, -0.9999, -0.99985, -0.9, -0.8, -0.8, -0.8], patience=1, note='best moves UP to worse values while inside thr')
    case('neg_flat_rel_max', [-1.0] * 8, mode='max', patience=1)
    case('neg_flat_abs_min', [-1.0] * 8, patience=1, threshold_mode='abs')
    case('zero_best_rel_min', [0.0, 0.0, 1e-9, -1e-12, -1e-12, -1e-12, -1e-12], patience=1)
    case('zero_best_rel_max', [0.0, 0.0, 1e-9, 1e-9, 1e-9], mode='max', patience=0, factor=0.5)
    case('cooldown2', [1.0] * 14, patience=1, cooldown=2, factor=0.5)
    case('cooldown3_patience0', [1.0] * 14, patience=0, cooldown=3, factor=0.5)
    case('cooldown_improve_inside', [1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.4, 0.4, 0.4], patience=0, cooldown=2, factor=0.5, note='best is updated inside cooldown')
    case('min_lr_clamp', [1.0] * 10, patience=0, factor=0.1, min_lr=1e-3)
    case('min_lr_exact_then_eps', [1.0] * 8, patience=0, factor=0.5, min_lr=0.03, cooldown=1, note='at the floor the update is skipped but cooldown still restarts and bad count resets')
    case('eps_block', [1.0] * 12, lr0=1e-7, patience=0, factor=0.5, note='1.25e-8*0.5: change 6.25e-9 <= eps 1e-8 -> ignored')
    case('eps_equal', [1.0] * 4, lr0=0.5, patience=0, factor=0.5, eps=0.25, note='change == eps is ignored (strict >)')
    case('eps_big', [1.0] * 6, lr0=0.1, patience=0, factor=0.1, eps=0.05)
    case('nan_first', [nan, nan, 1.0, 1.0, 1.0, 1.0], patience=1, note='NaN never better; best stays inf')
    case('nan_middle', [1.0, nan, 0.9, nan, nan, 0.8, nan, nan, nan], patience=1)
    case('nan_all', [nan] * 6, patience=1)
    case('pos_inf_first_min', [inf, inf, 1.0, 1.0, 1.0], patience=1, note='inf < inf false: counts as bad')
    case('neg_inf_min', [1.0, -inf, -5.0, -6.0, -7.0], patience=1, note='best=-inf is unbeatable')
    case('max_acc', acc, lr0=0.01, mode='max', factor=0.5, patience=3, threshold=1e-3)
    case('max_acc_abs', acc, lr0=0.01, mode='max', factor=0.5, patience=3, threshold=5e-3, threshold_mode='abs', cooldown=2, min_lr=1e-3)
    case('min_walk', walk, lr0=0.1, factor=0.5, patience=2)
    case('min_walk_cooldown', walk, lr0=0.1, factor=0.3, patience=3, cooldown=4, min_lr=1e-4, threshold=1e-2)
    case('threshold0', [1.0, 1.0, 0.9999999, 0.9999999, 0.9999999], patience=0, threshold=0.0, factor=0.5)
    case('threshold1_rel_min', [1.0, 0.5, 0.1, 0.05], patience=0, threshold=1.0, factor=0.5, note='inf*(1-1)=NaN: never better, even the first')
    case('groups_min_lr_list', [1.0] * 6, lr0=[0.1, 0.01], patience=0, factor=0.1, min_lr=[1e-3, 5e-3])
    case('f32_metric_as_double', [float(np.float32(v)) for v in (0.7, 0.69993, 0.69993, 0.69993)], patience=0, factor=0.5, note='float32 metric widened to double before the compare')
    # resume mid-way
    opt = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1); s = ReduceLROnPlateau(opt, factor=0.5, patience=2, cooldown=2)
    m = [1.0, 0.9, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 0.8, 0.85, 0.85, 0.85, 0.85]
    lr = []
    snap = None
    for i, v in enumerate(m):
        s.step(v); lr.append(opt.param_groups[0]['lr'])
        if i == 5: snap = {k: x for k, x in s.state_dict().items()}
    wjson('plateau', {'cases': C, 'resume': {'metrics': m, 'lr': lr, 'lr0': 0.1, 'params': dict(factor=0.5, patience=2, cooldown=2), 'state_after_index_5': {k: snap[k] for k in ('best', 'num_bad_epochs', 'cooldown_counter', 'last_epoch', '_last_lr')}}},
          'torch ReduceLROnPlateau: per-step lr/best/num_bad_epochs/cooldown_counter AFTER step(metric)')

# ------------------------------------------------------------------ 2. early stopping
class KES:                                        # Keras 3 EarlyStopping
    def __init__(s, mode='min', min_delta=0.0, patience=0, baseline=None, start_from_epoch=0, restore_best_weights=True):
        s.mode, s.md, s.patience, s.baseline, s.start, s.restore = mode, abs(min_delta), patience, baseline, start_from_epoch, restore_best_weights
        s.best, s.wait, s.stopped, s.bestw, s.best_epoch = None, 0, None, None, 0
    def better(s, a, b):
        if b is None: return True
        return (a + s.md < b) if s.mode == 'min' else (a - s.md > b)
    def step(s, ep, cur):
        if cur is None or ep < s.start: return False
        if s.restore and s.bestw is None: s.bestw, s.best_epoch = ep, ep
        s.wait += 1
        if s.better(cur, s.best):
            s.best, s.best_epoch = cur, ep
            if s.restore: s.bestw = ep
            if s.baseline is None or s.better(cur, s.baseline): s.wait = 0
            return False
        if s.wait >= s.patience and ep > 0: s.stopped = ep; return True
        return False
class LES:                                        # Lightning 2.x EarlyStopping
    def __init__(s, mode='min', min_delta=0.0, patience=3, check_finite=True, stopping_threshold=None, divergence_threshold=None):
        s.mode, s.md, s.patience, s.cf, s.st, s.dt = mode, min_delta, patience, check_finite, stopping_threshold, divergence_threshold
        s.best = np.float32(math.inf if mode == 'min' else -math.inf); s.wait = 0; s.reason = None
    def op(s, a, b): return bool(a < b) if s.mode == 'min' else bool(a > b)
    def step(s, ep, cur):
        cur = np.float32(cur); md = s.md if s.mode == 'max' else -s.md
        if s.cf and not np.isfinite(cur): s.reason = 'non_finite'; return True
        if s.st is not None and s.op(cur, np.float32(s.st)): s.reason = 'stopping_threshold'; return True
        if s.dt is not None and s.op(-cur, np.float32(-s.dt)): s.reason = 'divergence_threshold'; return True
        if s.op(np.float32(cur - np.float32(md)), s.best): s.best = cur; s.wait = 0; return False
        s.wait += 1
        if s.wait >= s.patience: s.reason = 'patience'; return True
        return False
class UES:                                        # ultralytics EarlyStopping (fitness, higher better; epoch is 1-based)
    def __init__(s, patience=100): s.best, s.best_epoch, s.patience = 0.0, 0, patience or math.inf
    def step(s, ep, fit):
        if fit is None: return False
        if fit > s.best or s.best == 0: s.best_epoch, s.best = ep, fit
        return ep - s.best_epoch >= s.patience
def early_stopping():
    nan, inf = math.nan, math.inf; K, L, U = [], [], []
    def run(dst, cls, name, m, first=0, **kw):
        e = cls(**kw); stop_at = None; tr = {'wait': [], 'best': []}
        for i, v in enumerate(m):
            st = e.step(i + first, v); tr['wait'].append(getattr(e, 'wait', None)); tr['best'].append(e.best)
            if st: stop_at = i + first; break
        r = {'name': name, 'params': kw, 'metrics': m, 'first_epoch': first, 'stop_epoch': stop_at, 'epochs_run': len(tr['best']), **tr}
        if cls is KES: r['restored_epoch'] = e.bestw; r['best_epoch'] = e.best_epoch
        if cls is LES: r['reason'] = e.reason
        if cls is UES: r['best_epoch'] = e.best_epoch
        dst.append(r)
    flat = [1.0] * 10; dec = [1.0, 0.9, 0.95, 0.93, 0.94, 0.89, 0.9, 0.91, 0.92, 0.93, 0.94]
    for p in (0, 1, 2, 3): run(K, KES, f'flat_p{p}', flat, patience=p); run(K, KES, f'dec_p{p}', dec, patience=p)
    run(K, KES, 'min_delta', [1.0, 0.95, 0.92, 0.89, 0.88, 0.87], patience=2, min_delta=0.1)
    run(K, KES, 'min_delta_exact', [1.0, 0.5, 0.25, 0.2, 0.1], patience=1, min_delta=0.5)
    run(K, KES, 'max', [0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3], patience=3, mode='max')
    run(K, KES, 'baseline_unmet', [1.0, 0.9, 0.8, 0.7, 0.6], patience=3, baseline=0.5)
    run(K, KES, 'baseline_met', [1.0, 0.45, 0.6, 0.6, 0.6, 0.6], patience=3, baseline=0.5)
    run(K, KES, 'start_from_epoch', [0.1, 0.2, 1.0, 1.0, 1.0, 1.0, 1.0], patience=2, start_from_epoch=2)
    run(K, KES, 'nan_first', [nan, 0.9, 0.8, 0.7], patience=2); run(K, KES, 'nan_mid', [1.0, nan, 0.9, nan, nan, 0.8], patience=2)
    run(K, KES, 'restore_without_stop', [1.0, 0.5, 0.6, 0.7], patience=10)
    for p in (0, 1, 2, 3): run(L, LES, f'flat_p{p}', flat, patience=p); run(L, LES, f'dec_p{p}', dec, patience=p)
    run(L, LES, 'min_delta', [1.0, 0.95, 0.92, 0.89, 0.88, 0.87], patience=2, min_delta=0.1)
    run(L, LES, 'min_delta_exact', [1.0, 0.5, 0.25, 0.2, 0.1], patience=1, min_delta=0.5)
    run(L, LES, 'max', [0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3], patience=3, mode='max')
    run(L, LES, 'nan_stops', [1.0, 0.9, nan, 0.8], patience=3); run(L, LES, 'nan_unchecked', [1.0, nan, nan, 0.8, 0.9], patience=2, check_finite=False)
    run(L, LES, 'inf_stops', [inf, 0.9], patience=3)
    run(L, LES, 'stopping_threshold', [1.0, 0.5, 0.2, 0.1, 0.05], patience=9, stopping_threshold=0.2)
    run(L, LES, 'divergence_threshold', [1.0, 2.0, 5.0, 9.0], patience=9, divergence_threshold=5.0)
    for p in (0, 1, 3): run(U, UES, f'p{p}', [0.0, 0.0, 0.5, 0.5, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6], first=1, patience=p)
    wjson('early_stopping', {'keras3': K, 'lightning2': L, 'ultralytics': U}, 'stop epoch / wait / best trajectories by rule (checked once against the real classes)')

# ------------------------------------------------------------------ 3. schedules
def schedules():
    from torch.optim import lr_scheduler as S
    R = []
    def opt(lr=0.1, **k): return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9, **k)
    def run(name, mk, n, lr=0.1, params=None, mom=False, o=None):
        o = o or opt(lr); s = mk(o); lrs, ms = [], []
        for _ in range(n):
            lrs.append(o.param_groups[0]['lr'])
            ms.append(o.param_groups[0].get('momentum', o.param_groups[0].get('betas', (0,))[0]))
            o.step(); s.step()
        R.append({'name': name, 'lr0': lr, 'params': params, 'lr': lrs, **({'momentum': ms} if mom else {})})
    run('StepLR', lambda o: S.StepLR(o, 3, 0.1), 10, params=dict(step_size=3, gamma=0.1))
    run('MultiStepLR', lambda o: S.MultiStepLR(o, [2, 5, 5, 8], 0.5), 12, params=dict(milestones=[2, 5, 5, 8], gamma=0.5))
    run('ExponentialLR', lambda o: S.ExponentialLR(o, 0.9), 8, params=dict(gamma=0.9))
    run('CosineAnnealingLR', lambda o: S.CosineAnnealingLR(o, 10, 1e-3), 26, params=dict(T_max=10, eta_min=1e-3))
    run('CosineAnnealingWarmRestarts', lambda o: S.CosineAnnealingWarmRestarts(o, 4, 2, 1e-3), 16, params=dict(T_0=4, T_mult=2, eta_min=1e-3))
    run('LinearLR', lambda o: S.LinearLR(o, 0.1, 1.0, 5), 9, params=dict(start_factor=0.1, end_factor=1.0, total_iters=5))
    run('ConstantLR', lambda o: S.ConstantLR(o, 0.01, 3), 6, params=dict(factor=0.01, total_iters=3))
    run('PolynomialLR', lambda o: S.PolynomialLR(o, 6, 2.0), 9, params=dict(total_iters=6, power=2.0))
    run('Sequential_linear_cosine', lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.01, 1.0, 5), S.CosineAnnealingLR(o, 15)], [5]), 20, params=dict(warmup='LinearLR(0.01,total_iters=5)', main='CosineAnnealingLR(T_max=15)', milestone=5), )
    run('Sequential_const_step', lambda o: S.SequentialLR(o, [S.ConstantLR(o, 0.1, 3), S.StepLR(o, 4, 0.1)], [3]), 14, params=dict(warmup='ConstantLR(0.1,total_iters=3)', main='StepLR(4,0.1)', milestone=3))
    run('OneCycle_cos', lambda o: S.OneCycleLR(o, 0.1, total_steps=20), 20, params=dict(max_lr=0.1, total_steps=20, pct_start=0.3, div_factor=25., final_div_factor=1e4, base_momentum=0.85, max_momentum=0.95, anneal='cos'), mom=True)
    run('OneCycle_linear', lambda o: S.OneCycleLR(o, 0.1, total_steps=20, anneal_strategy='linear', pct_start=0.25), 20, params=dict(max_lr=0.1, total_steps=20, pct_start=0.25, anneal='linear'), mom=True)
    run('OneCycle_3phase', lambda o: S.OneCycleLR(o, 0.1, total_steps=20, three_phase=True, pct_start=0.35), 20, params=dict(max_lr=0.1, total_steps=20, pct_start=0.35, three_phase=True, anneal='cos'), mom=True)
    run('OneCycle_odd', lambda o: S.OneCycleLR(o, 0.1, total_steps=7, pct_start=0.3), 7, params=dict(max_lr=0.1, total_steps=7, pct_start=0.3, anneal='cos'), mom=True)
    run('OneCycle_adam_beta1', lambda o: S.OneCycleLR(o, 0.01, total_steps=10), 10, lr=0.001, params=dict(max_lr=0.01, total_steps=10, note='cycles betas[0]'), mom=True, o=torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.001))
    # by-rule schedules of other trainers
    def timm_cos(t, base=0.1, T=20, lr_min=0.0, wt=5, wl=1e-5, prefix=False):
        if t < wt: return wl + t * (base - wl) / wt
        if prefix: t -= wt
        i = t // T; tc = t - T * i
        return lr_min + 0.5 * (base - lr_min) * (1 + math.cos(math.pi * tc / T)) if i < 1 else lr_min
    R.append({'name': 'timm_cosine_warmup', 'lr0': 0.1, 'params': dict(t_initial=20, warmup_t=5, warmup_lr_init=1e-5, lr_min=0.0, warmup_prefix=False), 'lr': [timm_cos(t) for t in range(23)]})
    R.append({'name': 'timm_cosine_warmup_prefix', 'lr0': 0.1, 'params': dict(t_initial=20, warmup_t=5, warmup_lr_init=1e-5, lr_min=1e-6, warmup_prefix=True), 'lr': [timm_cos(t, lr_min=1e-6, prefix=True) for t in range(28)]})
    R.append({'name': 'ultralytics_linear', 'lr0': 0.01, 'params': dict(epochs=10, lrf=0.01), 'lr': [0.01 * (max(1 - x / 10, 0) * (1.0 - 0.01) + 0.01) for x in range(10)]})
    R.append({'name': 'ultralytics_cos', 'lr0': 0.01, 'params': dict(epochs=10, lrf=0.01), 'lr': [0.01 * (max((1 - math.cos(x * math.pi / 10)) / 2, 0) * (0.01 - 1) + 1) for x in range(10)]})
    wjson('schedules', {'cases': R}, 'lr[i] = lr in effect during epoch/iteration i (i=0 before any scheduler.step())')

# ------------------------------------------------------------------ 4. optimizers
def optimizers():
    O, tensors = [], {}
    shapes = {'w': (2, 3), 'b': (5,)}
    G = {k: torch.stack([det(f'grad.{k}.{t}', *s, lo=-2, hi=2, dtype=torch.float64) for t in range(10)]) for k, s in shapes.items()}
    G['b'][:, 1] = 0.0                      # always-zero grad
    G['b'][:, 2] *= 1e-6; G['b'][:, 3] *= 1e-12   # tiny grads: shows eps placement
    G['w'][4] = 0.0
    P0 = {k: det(f'param.{k}', *s, dtype=torch.float64) for k, s in shapes.items()}
    for k in shapes: tensors[f'param0.{k}'] = P0[k].float(); tensors[f'grad.{k}'] = G[k].float()
    lrs = [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1]    # multiplies lr0 (tests lr change with momentum)
    def run(name, cls, lr0, skip=None, **kw):
        for dt, tag in ((torch.float32, 'f32'), (torch.float64, 'f64')):
            p = {k: nn.Parameter(P0[k].float().to(dt).clone()) for k in shapes}
            o = cls([{'params': [p[k] for k in shapes]}], lr=lr0, **kw); hist = {k: [] for k in shapes}
            for t in range(10):
                o.param_groups[0]['lr'] = lr0 * lrs[t]
                for k in shapes:
                    p[k].grad = None if (skip and (k, t) in skip) else G[k][t].float().to(dt).clone()
                o.step()
                for k in shapes: hist[k].append(p[k].detach().clone())
            for k in shapes: tensors[f'{name}.{tag}.{k}'] = torch.stack(hist[k])
        st = {k: {n: (v if torch.is_tensor(v) else v) for n, v in o.state[p[k]].items() if v is not None} for k in shapes}
        O.append({'name': name, 'opt': cls.__name__, 'lr0': lr0, 'lr_mult': lrs, 'skip_grad_none': [list(x) for x in (skip or [])], 'params': kw, 'final_state_f64': {k: {n: (v.reshape(-1).tolist() if torch.is_tensor(v) else v) for n, v in d.items()} for k, d in st.items()}})
    Z = torch.optim
    run('sgd', Z.SGD, 0.1); run('sgd_wd', Z.SGD, 0.1, weight_decay=0.1); run('sgd_mom', Z.SGD, 0.1, momentum=0.9)
    run('sgd_mom_wd', Z.SGD, 0.1, momentum=0.9, weight_decay=5e-2); run('sgd_nesterov', Z.SGD, 0.1, momentum=0.9, nesterov=True, weight_decay=5e-2)
    run('sgd_dampening', Z.SGD, 0.1, momentum=0.9, dampening=0.5); run('sgd_mom_skip', Z.SGD, 0.1, skip=[('b', 0), ('b', 3)], momentum=0.9)
    run('adam', Z.Adam, 0.01); run('adam_wd', Z.Adam, 0.01, weight_decay=0.1); run('adam_eps', Z.Adam, 0.01, eps=1e-3, betas=(0.8, 0.95))
    run('adam_amsgrad', Z.Adam, 0.01, amsgrad=True); run('adam_skip', Z.Adam, 0.01, skip=[('b', 0), ('b', 3)])
    run('adamw', Z.AdamW, 0.01); run('adamw_wd', Z.AdamW, 0.01, weight_decay=0.5); run('adamw_amsgrad', Z.AdamW, 0.01, amsgrad=True)
    run('rmsprop', Z.RMSprop, 0.01, alpha=0.9, momentum=0.9)
    wst('optim', tensors, {'cases': O}, '10-step trajectories: <case>.{f32,f64}.{w,b} shape [10,...]; case list in __metadata__.cases and optim.json')
    wjson('optim', {'cases': O, 'shapes': {k: list(s) for k, s in shapes.items()}}, 'case list of optim.safetensors')
    # gradient clipping
    C = []
    def clip(name, gs, fn, **kw):
        ps = [nn.Parameter(torch.zeros_like(g)) for g in gs]
        for p, g in zip(ps, gs): p.grad = g.clone()
        r = fn(ps, **kw)
        C.append({'name': name, 'params': kw, 'grads': gs, 'total_norm': None if r is None else float(r), 'out': [p.grad for p in ps]})
    g1 = [torch.tensor([3.0, 4.0]), torch.tensor([[12.0]])]      # norm 13
    cn, cv = nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_
    clip('norm_13_to_1', g1, cn, max_norm=1.0); clip('norm_13_max13', g1, cn, max_norm=13.0); clip('norm_13_max20', g1, cn, max_norm=20.0)
    clip('norm_inf', g1, cn, max_norm=1.0, norm_type=math.inf); clip('norm_l1', g1, cn, max_norm=1.0, norm_type=1.0)
    clip('norm_tiny', [torch.tensor([1e-8, 0.0])], cn, max_norm=1e-9); clip('norm_zero', [torch.zeros(2)], cn, max_norm=1.0)
    clip('norm_nan', [torch.tensor([float('nan'), 1.0])], cn, max_norm=1.0); clip('norm_infgrad', [torch.tensor([float('inf'), 1.0])], cn, max_norm=1.0)
    clip('value', [torch.tensor([-3.0, 0.5, 2.0])], cv, clip_value=1.0)
    wjson('clip_grad', {'cases': C}, 'clip_grad_norm_: coef=min(1, max/(norm+1e-6)); always multiplied')
    # EMA
    E = []
    seq = [det(f'ema.{t}', 4, dtype=torch.float32) for t in range(8)]
    def ema(name, dec, note):
        a = det('ema.init', 4, dtype=torch.float32); h = []
        for t, m in enumerate(seq):
            d = dec(t + 1)
            a = torch.lerp(a, m, 1.0 - d); h.append(a.clone())
        E.append({'name': name, 'note': note, 'init': det('ema.init', 4, dtype=torch.float32), 'model': torch.stack(seq), 'decay': [dec(t + 1) for t in range(8)], 'ema': torch.stack(h)})
    ema('timm_v3_const', lambda s: 0.0 if s - 0 - 1 <= 0 else 0.9998, 'step=num_updates (1-based); step-update_after_step-1<=0 -> decay 0 (copy)')
    ema('timm_v3_warmup', lambda s: 0.0 if s - 1 <= 0 else min(1 - (1 + (s - 1) / 1.0) ** -(2 / 3), 0.9998), 'use_warmup gamma=1 power=2/3')
    ema('ultralytics', lambda s: 0.9999 * (1 - math.exp(-s / 2000)), 'decay*(1-exp(-updates/2000)), float params AND float buffers')
    ema('plain_0.9', lambda s: 0.9, 'ema = d*ema + (1-d)*model')
    wjson('ema', {'cases': E}, 'EMA trajectories by rule, torch.lerp float32')

# ------------------------------------------------------------------ 5. losses
def losses():
    C = []
    def case(name, logits, target, note='', w=None, **kw):
        r = {'name': name, 'note': note, 'params': {k: v for k, v in kw.items()}, 'weight': w}
        for dt, tag in ((torch.float32, 'f32'), (torch.float64, 'f64')):
            x = logits.to(dt).clone().requires_grad_(True); t = target.to(dt) if target.is_floating_point() else target
            l = F.cross_entropy(x, t, weight=None if w is None else w.to(dt), **kw)
            (l.sum()).backward(); r['loss_' + tag] = l; r['grad_' + tag] = x.grad
        r['logits'] = logits.float(); r['target'] = target; C.append(r)
    lg = det('ce.logits', 4, 5, lo=-3, hi=3); t = torch.tensor([0, 3, 4, 1]); ti = torch.tensor([0, -100, 4, 1]); w = torch.tensor([1.0, 2.0, 0.5, 1.5, 3.0])
    case('mean', lg, t); case('mean_ls0.1', lg, t, label_smoothing=0.1); case('sum_ls0.1', lg, t, reduction='sum', label_smoothing=0.1)
    case('none_ls0.1', lg, t, reduction='none', label_smoothing=0.1); case('ls1.0', lg, t, label_smoothing=1.0)
    case('weight', lg, t, w=w); case('weight_ls0.1', lg, t, w=w, label_smoothing=0.1, note='mean divides by sum of weight[target] for BOTH terms; smooth term is sum_c w_c*(-logp_c)*eps/C')
    case('ignore', lg, ti, ignore_index=-100); case('ignore_ls0.1', lg, ti, ignore_index=-100, label_smoothing=0.1); case('ignore_weight_ls0.1', lg, ti, w=w, ignore_index=-100, label_smoothing=0.1)
    case('all_ignored', lg[:2], torch.tensor([-100, -100]), ignore_index=-100, note='mean over zero elements -> NaN, grad 0')
    pt = torch.softmax(det('ce.pt', 4, 5, lo=-2, hi=2), 1)
    case('prob_target', lg, pt); case('prob_target_ls0.1', lg, pt, label_smoothing=0.1, note='target = p*(1-eps)+eps/C; mean divides by N'); case('prob_weight', lg, pt, w=w, note='prob target + weight: mean divides by N, not by weights')
    case('extreme', torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0], [88.0, 89.0, -1e30]]), torch.tensor([1, 2, 0]), note='needs max-subtraction')
    case('two_class', det('ce.2', 3, 2), torch.tensor([0, 1, 1]), label_smoothing=0.1)
    # mixup targets
    lam = 0.3; oh = F.one_hot(t, 5).float()
    tv = oh.roll(1, 0).mul(1 - lam).add(oh.mul(lam))
    off, on = 0.1 / 5, 1 - 0.1 + 0.1 / 5; sm = oh * (on - off) + off
    tm = sm * lam + sm.flip(0) * (1 - lam)
    x = det('mix.x', 4, 1, 2, 3); H, W = 8, 8
    def cutbox_tv(lam, rx, ry, W, H):
        r = 0.5 * math.sqrt(1 - lam); rw, rh = int(r * W), int(r * H)
        x1, y1, x2, y2 = max(rx - rw, 0), max(ry - rh, 0), min(rx + rw, W), min(ry + rh, H)
        return [x1, y1, x2, y2], 1 - (x2 - x1) * (y2 - y1) / (W * H)
    def cutbox_timm(lam, cx, cy, W, H):
        r = math.sqrt(1 - lam); ch, cw = int(H * r), int(W * r)
        yl, yh, xl, xh = [min(max(v, 0), m) for v, m in ((cy - ch // 2, H), (cy + ch // 2, H), (cx - cw // 2, W), (cx + cw // 2, W))]
        return [xl, yl, xh, yh], 1 - (yh - yl) * (xh - xl) / (H * W)
    boxes = []
    for lam_, cx, cy, W_, H_ in ((0.3, 4, 4, 8, 8), (0.3, 0, 7, 8, 8), (0.75, 3, 2, 7, 5), (0.99, 3, 3, 8, 8), (0.0, 2, 2, 8, 8), (0.5, 31, 0, 32, 32)):
        a, la = cutbox_tv(lam_, cx, cy, W_, H_); b, lb = cutbox_timm(lam_, cx, cy, W_, H_)
        boxes.append({'lam': lam_, 'cx': cx, 'cy': cy, 'W': W_, 'H': H_, 'torchvision': {'xyxy': a, 'lam': la}, 'timm': {'xyxy': b, 'lam': lb}})
    wjson('loss', {'cases': C, 'mixup': {'labels': t, 'num_classes': 5, 'lam': lam, 'target_torchvision_roll1': tv, 'target_timm_flip_smoothing0.1': tm, 'x': x, 'x_torchvision': x.roll(1, 0).mul(1 - lam).add(x.mul(lam)), 'x_timm': x.mul(lam).add(x.flip(0).mul(1 - lam))}, 'cutmix_boxes': boxes}, 'cross entropy fwd/bwd (+label smoothing, weight, ignore_index, soft targets), mixup/cutmix targets and boxes')

# ------------------------------------------------------------------ 6. layers
def layers():
    t, C = {}, []
    # batch norm: 3 training batches then eval
    for name, kw in (('default', {}), ('mom0.3_eps1e-3', dict(momentum=0.3, eps=1e-3)), ('cumulative', dict(momentum=None))):
        for dt, tag in ((torch.float32, 'f32'), (torch.float64, 'f64')):
            bn = nn.BatchNorm2d(3, **kw).to(dt)
            with torch.no_grad(): bn.weight.copy_(det('bn.w', 3, lo=0.5, hi=1.5)); bn.bias.copy_(det('bn.b', 3))
            for b in range(3):
                x = (det(f'bn.x{b}', 2, 3, 2, 3, lo=-2, hi=3)).to(dt).requires_grad_(True)
                bn.zero_grad(); y = bn(x); y.backward(det(f'bn.dy{b}', 2, 3, 2, 3).to(dt))
                k = f'bn.{name}.{tag}.{b}.'
                if tag == 'f32' and name == 'default': t[f'bn.x{b}'] = x.detach(); t[f'bn.dy{b}'] = det(f'bn.dy{b}', 2, 3, 2, 3)
                t[k + 'y'], t[k + 'dx'], t[k + 'dw'], t[k + 'db'] = y, x.grad, bn.weight.grad.clone(), bn.bias.grad.clone()
                t[k + 'running_mean'], t[k + 'running_var'] = bn.running_mean.clone(), bn.running_var.clone()
            bn.eval(); x = det('bn.x0', 2, 3, 2, 3, lo=-2, hi=3).to(dt).requires_grad_(True); bn.zero_grad(); y = bn(x); y.backward(det('bn.dy0', 2, 3, 2, 3).to(dt))
            k = f'bn.{name}.{tag}.eval.'; t[k + 'y'], t[k + 'dx'], t[k + 'dw'], t[k + 'db'] = y, x.grad, bn.weight.grad.clone(), bn.bias.grad.clone()
    t['bn.weight'], t['bn.bias'] = det('bn.w', 3, lo=0.5, hi=1.5), det('bn.b', 3)
    wst('batchnorm', {k: v for k, v in t.items() if '.f64.' not in k or k.startswith('bn.default')}, {'note': 'x shape [2,3,2,3]; batches 0,1,2 in train mode in sequence, then eval on batch 0. Running var uses the unbiased variance (n/(n-1)); y uses the biased one.'}, 'BatchNorm2d fwd/bwd/running stats')
    # conv
    t = {}
    cfgs = [('k3s1p1', 2, 3, 4, (5, 6), dict(kernel_size=3, padding=1), True), ('k3s2p1', 2, 3, 2, (7, 6), dict(kernel_size=3, stride=2, padding=1, bias=False), False),
            ('k7s2p3', 1, 3, 2, (9, 10), dict(kernel_size=7, stride=2, padding=3, bias=False), False), ('k1s2', 2, 4, 3, (5, 5), dict(kernel_size=1, stride=2, bias=False), False),
            ('k3g2', 1, 4, 4, (4, 4), dict(kernel_size=3, padding=1, groups=2), True), ('k3dw', 1, 3, 3, (5, 4), dict(kernel_size=3, padding=1, groups=3, stride=2), True), ('k3d2', 1, 2, 2, (7, 7), dict(kernel_size=3, padding=2, dilation=2), True), ('k2x3', 1, 2, 3, (5, 6), dict(kernel_size=(2, 3), stride=(2, 1), padding=(0, 1)), True)]
    for n, N, ci, co, (h, w), kw, bias in cfgs:
        c = nn.Conv2d(ci, co, **kw).double()
        with torch.no_grad():
            c.weight.copy_(det(f'conv.{n}.w', *c.weight.shape).double())
            if c.bias is not None: c.bias.copy_(det(f'conv.{n}.b', co).double())
        x = det(f'conv.{n}.x', N, ci, h, w).double().requires_grad_(True); y = c(x); dy = det(f'conv.{n}.dy', *y.shape).double(); y.backward(dy)
        p = f'{n}.'; t[p + 'x'], t[p + 'w'], t[p + 'dy'], t[p + 'y'], t[p + 'dx'], t[p + 'dw'] = [v.detach().float() for v in (x, c.weight, dy, y, x.grad, c.weight.grad)]
        if c.bias is not None: t[p + 'b'], t[p + 'db'] = c.bias.detach().float(), c.bias.grad.float()
    l = nn.Linear(5, 3).double()
    with torch.no_grad(): l.weight.copy_(det('lin.w', 3, 5)); l.bias.copy_(det('lin.b', 3))
    x = det('lin.x', 4, 5).double().requires_grad_(True); y = l(x); y.backward(det('lin.dy', 4, 3).double())
    for k, v in dict(x=x, w=l.weight, b=l.bias, dy=det('lin.dy', 4, 3), y=y, dx=x.grad, dw=l.weight.grad, db=l.bias.grad).items(): t['linear.' + k] = v.detach().float()
    wst('conv_linear', t, {'cfgs': [[n, kw] for n, _, _, _, _, kw, _ in cfgs], 'note': 'computed in float64, stored float32'}, 'Conv2d (stride/pad/groups/dilation) and Linear fwd/bwd')
    # pools, relu
    t = {}
    xi = torch.from_numpy(image(7, 6, 2).transpose(2, 0, 1).copy()).float().div(8).floor()[None]   # many ties
    xi = torch.cat([xi, -xi])
    def pool(n, f, x=xi, idx=False):
        x = x.clone().requires_grad_(True); r = f(x); y, ix = r if idx else (r, None)
        dy = det(f'pool.{n}.dy', *y.shape); y.backward(dy); t[f'{n}.x'], t[f'{n}.y'], t[f'{n}.dy'], t[f'{n}.dx'] = x.detach(), y, dy, x.grad
        if ix is not None: t[f'{n}.idx'] = ix
    pool('max_k3s2p1', lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True), idx=True); pool('max_k2s2', lambda x: F.max_pool2d(x, 2, 2, return_indices=True), idx=True)
    pool('max_k3s2_ceil', lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True, return_indices=True), idx=True)
    xn = xi.clone(); xn[0, 0, 2, 2] = float('nan'); xn[1, 1] = -float('inf'); pool('max_nan', lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True), xn, idx=True)
    pool('avg_k3s2p1', lambda x: F.avg_pool2d(x, 3, 2, 1)); pool('avg_k3s2p1_excl', lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)); pool('avg_k3s2_ceil', lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True))
    pool('adaptive1', lambda x: F.adaptive_avg_pool2d(x, 1)); pool('adaptive3x4', lambda x: F.adaptive_avg_pool2d(x, (3, 4)))
    xr = torch.tensor([[-1.0, -0.0, 0.0, 1e-30, 2.0, float('nan'), float('inf')]]); pool('relu', F.relu, xr)
    wst('pool_relu', t, {'note': 'max ties: FIRST max in row-major window order takes the whole gradient (val > max or isnan); padding is -inf; relu grad at 0 is 0'}, 'Max/Avg/AdaptiveAvg pool and ReLU fwd/bwd')
    # accuracy
    lg = det('acc', 6, 7); tg = torch.tensor([0, 1, 2, 3, 4, 5]); pr = lg.topk(5, 1)[1]
    wjson('topk', {'logits': lg, 'target': tg, 'top5': pr, 'acc1': float((pr[:, :1] == tg[:, None]).any(1).float().mean() * 100), 'acc5': float((pr == tg[:, None]).any(1).float().mean() * 100)}, 'top-k accuracy in percent')

# ------------------------------------------------------------------ 7. transforms
def pil(a): return Image.fromarray(a)
def arr(p): return np.asarray(p).copy()
def chw(a): return torch.from_numpy(np.ascontiguousarray(a.transpose(2, 0, 1)))
def transforms_():
    A, B = image(7, 5), image(8, 8)
    t, C = {'A': A, 'B': B}, []
    def add(key, out, **meta): t[key] = out; C.append({'key': key, **meta})
    imgs = {'A': A, 'B': B}
    for nm, a in imgs.items():
        for ang in (0, 90, 180, 270, 30, -30, 45, 10.5, 123.4, -15, 359.9, 0.5):
            for im, tag in ((IM.NEAREST, 'nearest'), (IM.BILINEAR, 'bilinear')):
                if nm == 'A' and ang in (359.9, -15): continue
                add(f'rot.pil.{nm}.{ang}.{tag}', arr(TF.rotate(pil(a), ang, im)), op='rotate', backend='pil', img=nm, angle=ang, interp=tag, fill=0)
                if ang in (0, 90, 180, 30, 45, 10.5, 123.4):
                    add(f'rot.tensor.{nm}.{ang}.{tag}', TF.rotate(chw(a), ang, im, fill=[0.0]).numpy().transpose(1, 2, 0).copy(), op='rotate', backend='tensor_u8', img=nm, angle=ang, interp=tag, fill=0)
    add('rot.pil.A.30.fill', arr(TF.rotate(pil(A), 30, fill=(10, 20, 30))), op='rotate', backend='pil', img='A', angle=30, interp='nearest', fill=[10, 20, 30])
    add('rot.pil.A.30.bilinear.fill', arr(TF.rotate(pil(A), 30, IM.BILINEAR, fill=(10, 20, 30))), op='rotate', backend='pil', img='A', angle=30, interp='bilinear', fill=[10, 20, 30])
    add('rot.pil.A.30.expand', arr(TF.rotate(pil(A), 30, expand=True)), op='rotate', backend='pil', img='A', angle=30, interp='nearest', expand=True)
    add('rot.pil.A.90.expand', arr(TF.rotate(pil(A), 90, expand=True)), op='rotate', backend='pil', img='A', angle=90, interp='nearest', expand=True)
    add('rot.pil.A.30.center', arr(TF.rotate(pil(A), 30, center=[1, 2])), op='rotate', backend='pil', img='A', angle=30, interp='nearest', center=[1, 2])
    add('affine.pil.A', arr(TF.affine(pil(A), 20, [1, -1], 1.2, [5.0, 0.0])), op='affine', backend='pil', img='A', angle=20, translate=[1, -1], scale=1.2, shear=[5.0, 0.0], interp='nearest')
    add('affine.pil.A.bilinear', arr(TF.affine(pil(A), 20, [1, -1], 1.2, [5.0, 0.0], IM.BILINEAR)), op='affine', backend='pil', img='A', angle=20, translate=[1, -1], scale=1.2, shear=[5.0, 0.0], interp='bilinear')
    wst('rotate', t, {'cases': C, 'note': 'HWC uint8. PIL nearest is 16.16 fixed point: exact match expected. PIL bilinear: double maths, truncation. tensor: float32 grid_sample; nearest uses round-half-even (ties may differ), u8 result rounded-half-even.'}, 'RandomRotation kernel on 7x5 and 8x8 RGB')
    wjson('rotate', {'cases': C}, 'case list of rotate.safetensors')

    t, C = {'A': A, 'B': B}, []
    add('hflip', arr(TF.hflip(pil(A))), op='hflip', img='A'); add('vflip', arr(TF.vflip(pil(A))), op='vflip', img='A')
    for m in ('constant', 'edge', 'reflect', 'symmetric'): add(f'pad.{m}', arr(TF.pad(pil(A), [1, 2, 3, 4], 7 if m == 'constant' else 0, m)), op='pad', img='A', padding_ltrb=[1, 2, 3, 4], fill=7, mode=m)
    add('crop.oob', arr(TF.crop(pil(A), -2, 3, 6, 5)), op='crop', img='A', top=-2, left=3, height=6, width=5, note='outside is 0')
    for s in ((4, 4), (5, 3), (4, 2), (2, 5), (9, 8), (10, 4)): add(f'center_crop.{s[0]}x{s[1]}', arr(TF.center_crop(pil(A), list(s))), op='center_crop', img='A', size=list(s))
    D = image(17, 13); t['D'] = D
    for s, tag in (((8, 8), 'nn'), ((32, 24), 'nn'), ((5, 13), 'nn'), ((17, 13), 'nn')):
        for im in (IM.BILINEAR, IM.BICUBIC, IM.NEAREST):
            add(f'resize.pil.{im.value}.{s[0]}x{s[1]}', arr(TF.resize(pil(D), list(s), im)), op='resize', backend='pil', img='D', size=list(s), interp=im.value)
            if im != IM.BICUBIC:
                add(f'resize.tensor.{im.value}.{s[0]}x{s[1]}', TF.resize(chw(D), list(s), im, antialias=False if im == IM.BILINEAR else None).numpy().transpose(1, 2, 0).copy(), op='resize', backend='tensor_u8', antialias=False, img='D', size=list(s), interp=im.value)
        add(f'resize.tensor_aa.bilinear.{s[0]}x{s[1]}', TF.resize(chw(D), list(s), IM.BILINEAR, antialias=True).numpy().transpose(1, 2, 0).copy(), op='resize', backend='tensor_u8', antialias=True, img='D', size=list(s), interp='bilinear')
    add('resize.pil.short10', arr(TF.resize(pil(D), 10)), op='resize', backend='pil', img='D', size=10, note='long = int(10*17/13)=13 truncation', interp='bilinear')
    add('resized_crop', arr(TF.resized_crop(pil(D), 2, 1, 9, 11, [8, 8])), op='resized_crop', backend='pil', img='D', ijhw=[2, 1, 9, 11], size=[8, 8], interp='bilinear')
    add('erase', TF.erase(chw(A).float(), 1, 2, 3, 2, torch.tensor([1.5, 2.5, 3.5])[:, None, None]).numpy(), op='erase', img='A', ijhw=[1, 2, 3, 2], v=[1.5, 2.5, 3.5])
    wst('geometry', t, {'cases': C, 'note': 'HWC uint8 (erase: CHW float32)'}, 'flip/pad/crop/center_crop/resize/resized_crop/erase')
    wjson('geometry', {'cases': C}, 'case list of geometry.safetensors')

    t, C = {'A': A, 'B': B}, []
    for nm, a in imgs.items():
        p, u8, f = pil(a), chw(a), chw(a).float().div(255)
        for fn, g, facs in (('brightness', TF.adjust_brightness, (0, 0.5, 0.8, 1, 1.2, 1.5, 2.7)), ('contrast', TF.adjust_contrast, (0, 0.5, 0.8, 1, 1.2, 1.5, 2.7)), ('saturation', TF.adjust_saturation, (0, 0.5, 0.8, 1, 1.2, 1.5, 2.7)), ('hue', TF.adjust_hue, (-0.5, -0.1, 0, 0.1, 0.25, 0.5))):
            for k in facs:
                add(f'{fn}.pil.{nm}.{k}', arr(g(p, k)), op=fn, backend='pil', img=nm, factor=k)
                if nm == 'B' and k in (0.5, 1.5, 0.1): add(f'{fn}.u8.{nm}.{k}', g(u8, k).numpy().transpose(1, 2, 0).copy(), op=fn, backend='tensor_u8', img=nm, factor=k); add(f'{fn}.f32.{nm}.{k}', g(f, k), op=fn, backend='tensor_f32_chw', img=nm, factor=k)
    seq = [('contrast', 1.3), ('brightness', 0.7), ('saturation', 1.6)]
    q = pil(B)
    for fn, k in seq: q = getattr(TF, 'adjust_' + fn)(q, k)
    add('chain.pil', arr(q), op='chain', seq=seq, img='B'); q = pil(B)
    for fn, k in seq[::-1]: q = getattr(TF, 'adjust_' + fn)(q, k)
    add('chain_rev.pil', arr(q), op='chain', seq=seq[::-1], img='B')
    add('gray.pil', arr(pil(B).convert('L')), op='to_L', img='B', note='(R*19595+G*38470+B*7471+0x8000)>>16')
    wst('color', t, {'cases': C}, 'ColorJitter kernels PIL / uint8 tensor / float tensor')
    wjson('color', {'cases': C}, 'case list of color.safetensors')
    # to_tensor / normalize : all 256 values
    v = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    x = TF.to_tensor(pil(v)); n = TF.normalize(x, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    wst('to_tensor_normalize', {'to_tensor_channel0': x[0].reshape(-1), 'imagenet_norm': n.reshape(3, -1), 'u8_to_u8_float_div_mulinv_differs': (x[0].reshape(-1) != torch.arange(256).float() * torch.tensor(1 / 255.)).numpy()}, {'note': 'float32(u8)/255f (true division), then (x-mean)/std in float32'}, 'all 256 byte values')
    # param derivation
    P = []
    for H, W in ((32, 32), (17, 40), (224, 224)):
        for s, lr in ((0.08, 0.0), (0.5, 0.25), (1.0, -0.2), (0.99, 0.28), (0.25, math.log(4 / 3))):
            ar = math.exp(lr); P.append({'H': H, 'W': W, 'scale': s, 'log_ratio': lr, 'w': int(round(math.sqrt(H * W * s * ar))), 'h': int(round(math.sqrt(H * W * s / ar)))})
    fb = []
    for H, W in ((10, 100), (100, 10), (100, 100), (3, 4), (10, 14), (7, 11)):
        with tempfile.TemporaryDirectory():
            # force 10 failures: scale>1 makes w*h > area
            i, j, h, w = T.RandomResizedCrop.get_params(torch.zeros(3, H, W), [4.0, 4.0], [3 / 4, 4 / 3]); fb.append({'H': H, 'W': W, 'ijhw': [i, j, h, w]})
    wjson('rrc_params', {'wh': P, 'fallback': fb, 'note': 'w=int(round(sqrt(area*scale*ratio))), h=int(round(sqrt(area*scale/ratio))), Python round half-to-even; RandomErasing swaps: h uses *ratio, w uses /ratio and needs h<H and w<W strictly'}, 'RandomResizedCrop size derivation and fallback')

# ------------------------------------------------------------------ 9. ImageFolder
def imagefolder():
    files = ['cat/b.jpg', 'cat/a.JPG', 'cat/a10.png', 'cat/a2.png', 'cat/sub/z.jpeg', 'cat/sub/deeper/y.bmp', 'cat/sub-x/w.png', 'cat/Sub/v.png', 'cat/notes.txt', 'cat/.hidden.jpg', 'cat/img.jpg.bak', 'cat/webp.webp', 'cat/t.tiff', 'cat/t2.TIF', 'cat/g.gif', 'cat/p.pgm', 'cat/q.ppm', 'cat/jpg',
             'Dog/1.png', '10/x.png', '2/x.png', '.hiddenclass/h.png', '_under/u.png', 'éclair/e.png', 'zebra/x.jpg', 'root_file.jpg', 'a b/s.png']
    with tempfile.TemporaryDirectory() as d:
        for f in files:
            os.makedirs(os.path.dirname(os.path.join(d, f)), exist_ok=True); open(os.path.join(d, f), 'wb').close()
        ds = torchvision.datasets.ImageFolder(d)
        res = {'files': files, 'classes': ds.classes, 'samples': [[os.path.relpath(p, d), c] for p, c in ds.samples], 'extensions': list(torchvision.datasets.folder.IMG_EXTENSIONS)}
        os.makedirs(os.path.join(d, 'emptyclass'))
        try: torchvision.datasets.ImageFolder(d); res['empty_class'] = 'ok'
        except Exception as e: res['empty_class'] = type(e).__name__ + ': ' + str(e)
    with tempfile.TemporaryDirectory() as d:
        try: torchvision.datasets.ImageFolder(d)
        except Exception as e: res['no_class'] = type(e).__name__ + ': ' + str(e).replace(d, '<root>')
    wjson('imagefolder', res, 'class order, sample order, extensions, errors')

# ------------------------------------------------------------------ 10. models
from torchvision.models.resnet import BasicBlock, Bottleneck
class Tiny(nn.Module):
    def __init__(self, block, c0=4, planes=(4, 8), ncls=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, c0, 7, 2, 3, bias=False); self.bn1 = nn.BatchNorm2d(c0); self.relu = nn.ReLU(inplace=True); self.maxpool = nn.MaxPool2d(3, 2, 1)
        inp = c0
        for k, pl in enumerate(planes):
            st = 1 if k == 0 else 2; ds = None
            if st != 1 or inp != pl * block.expansion: ds = nn.Sequential(nn.Conv2d(inp, pl * block.expansion, 1, st, bias=False), nn.BatchNorm2d(pl * block.expansion))
            setattr(self, f'layer{k + 1}', nn.Sequential(block(inp, pl, st, ds))); inp = pl * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1)); self.fc = nn.Linear(inp, ncls); self.n = len(planes)
    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for k in range(self.n): x = getattr(self, f'layer{k + 1}')(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))
def detinit(m, tag=''):
    with torch.no_grad():
        for k, v in m.state_dict().items():
            n = tag + k
            if k.endswith('num_batches_tracked'): v.zero_(); continue
            if v.ndim == 4: s = math.sqrt(3) * math.sqrt(2.0 / (v.shape[0] * v.shape[2] * v.shape[3])); v.copy_(det(n, *v.shape, lo=-s, hi=s, dtype=torch.float32))
            elif v.ndim == 2 or k == 'fc.bias':
                s = 1 / math.sqrt(m.fc.in_features); v.copy_(det(n, *v.shape, lo=-s, hi=s, dtype=torch.float32))
            elif k.endswith('running_mean') or k.endswith('bias'): v.copy_(det(n, *v.shape, lo=-0.1, hi=0.1, dtype=torch.float32))
            elif k.endswith('running_var'): v.copy_(det(n, *v.shape, lo=0.5, hi=1.5, dtype=torch.float32))
            else: v.copy_(det(n, *v.shape, lo=0.8, hi=1.2, dtype=torch.float32))
MEAN, STD = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
def tiny_resnet():
    for tag, blk in (('basic', BasicBlock), ('bottleneck', Bottleneck)):
        X = [((det(f'x{b}', 6, 3, 16, 16, lo=0, hi=256, dtype=torch.float64)).floor().clamp(0, 255).to(torch.uint8)) for b in range(2)]
        Y = [torch.tensor([0, 1, 2, 3, 4, 0]), torch.tensor([4, 3, 2, 1, 0, 2])]
        t = {'x0': X[0], 'x1': X[1], 'y0': Y[0], 'y1': Y[1]}; meta = {'arch': f'tiny resnet {tag}: conv1 7x7 s2 p3 3->4, bn1, relu, maxpool 3 s2 p1, layer1 planes 4 s1, layer2 planes 8 s2, avgpool, fc 5', 'input': 'x/255 -> (x-mean)/std imagenet', 'loss': 'CE label_smoothing=0.1 mean', 'steps': 'batch = step%2, 10 steps, train mode, no clipping'}
        res = {}; aeps = 1e-8 if tag == 'basic' else 1e-3      # bottleneck has ~0 grads: default eps amplifies rounding noise to +-lr
        prep = lambda u, dt: ((u.float() / 255 - MEAN) / STD).to(dt)
        def new(dt):
            m = Tiny(blk); detinit(m, tag + '.')
            for k, v in m.state_dict().items():
                if k.endswith('running_mean'): v.zero_()
                if k.endswith('running_var'): v.fill_(1)
            return m.to(dt)
        m = new(torch.float32)
        for k, v in m.state_dict().items(): t['init.' + k] = v.clone()
        for dt, s in ((torch.float32, 'f32'), (torch.float64, 'f64')):
            m = new(dt).eval(); res['eval_logits_' + s] = m(prep(X[0], dt)).detach()
            m = new(dt).train(); lo = m(prep(X[0], dt)); l = F.cross_entropy(lo, Y[0], label_smoothing=0.1); l.backward()
            res['train_logits_' + s] = lo.detach(); res['loss0_' + s] = float(l)
            if s == 'f64':
                for k, p in m.named_parameters(): t['grad0.' + k] = p.grad.float()
            for on, mk in (('sgd', lambda ps: torch.optim.SGD(ps, 0.05, momentum=0.9, weight_decay=1e-4, nesterov=True)), ('adamw', lambda ps: torch.optim.AdamW(ps, 1e-2, weight_decay=0.05, eps=aeps))):
                m = new(dt).train(); o = mk(m.parameters()); L = []
                for st in range(10):
                    o.zero_grad(); l = F.cross_entropy(m(prep(X[st % 2], dt)), Y[st % 2], label_smoothing=0.1); l.backward(); o.step(); L.append(float(l))
                    if s == 'f64' and st in (0, 9):
                        for k, v in m.state_dict().items():
                            if st == 9 or (on == 'sgd'): t[f'{on}.step{st + 1}.{k}'] = v.float() if v.is_floating_point() else v.clone()
                res[f'{on}_loss_{s}'] = L; m.eval(); res[f'{on}_final_eval_logits_{s}'] = m(prep(X[0], dt)).detach()
        wst(f'tiny_resnet_{tag}', t, meta, f'tiny torchvision-style ResNet ({tag}): init, grads at step 0, weights+BN stats after SGD-nesterov step 1/10 and AdamW step 10 (float64 run stored as float32)')
        wjson(f'tiny_resnet_{tag}', {**meta, 'sgd': dict(lr=0.05, momentum=0.9, weight_decay=1e-4, nesterov=True), 'adamw': dict(lr=1e-2, weight_decay=0.05, eps=aeps), **res}, f'losses/logits of tiny_resnet_{tag} in f32 and f64')
def full_resnets():
    for arch in ('resnet18', 'resnet34', 'resnet50'):
        m = getattr(torchvision.models, arch)(num_classes=10); detinit(m, arch + '.')
        names = [[k, list(v.shape), str(v.dtype).replace('torch.', '')] for k, v in m.state_dict().items()]
        x = det('input', 2, 3, 64, 64, lo=-2, hi=2); y = torch.tensor([3, 7]); r = {'arch': arch, 'num_params_10cls': sum(p.numel() for p in m.parameters()), 'state_dict': names}
        sd = {k: v.clone() for k, v in m.state_dict().items()}
        for dt, s in ((torch.float32, 'f32'), (torch.float64, 'f64')):
            m.load_state_dict(sd); m.to(dt)
            with torch.no_grad(): m.eval(); r['eval_logits_' + s] = m(x.to(dt))
            m.train(); m.zero_grad(); lo = m(x.to(dt)); l = F.cross_entropy(lo, y); l.backward(); r['train_logits_' + s] = lo.detach(); r['train_loss_' + s] = float(l)
            if s == 'f64': r['grad_l2_f64'] = {k: float('%.9g' % float(p.grad.norm())) for k, p in m.named_parameters()}; r['bn1_running_mean_after_f64'] = m.bn1.running_mean[:4]; r['bn1_running_var_after_f64'] = m.bn1.running_var[:4]
            m.float()
        wjson(arch, {**r, 'note': "weights = det(arch+'.'+name): conv U(+-sqrt(3)*sqrt(2/fan_out)), fc U(+-1/sqrt(in)), bn weight U(.8,1.2), bias U(+-.1), running_mean U(+-.1), running_var U(.5,1.5); input det('input') [2,3,64,64] in [-2,2); labels 3,7; CE mean"}, f'{arch}: names/shapes in state_dict order, logits and gradient norms for formula weights')
    # init facts
    torch.manual_seed(0); I = {}
    for arch in ('resnet18', 'resnet34', 'resnet50'):
        m = getattr(torchvision.models, arch)(); I[arch] = {k: {'fan_out': v.shape[0] * v.shape[2] * v.shape[3], 'std_expected': math.sqrt(2 / (v.shape[0] * v.shape[2] * v.shape[3]))} for k, v in m.named_parameters() if v.ndim == 4}
    wjson('resnet_init', {'kaiming_fan_out': I, 'fc_bound': {'resnet18': 1 / math.sqrt(512), 'resnet50': 1 / math.sqrt(2048)}, 'note': 'conv: N(0, sqrt(2/fan_out)), fan_out=out*kh*kw; BN weight 1 bias 0; fc: U(+-1/sqrt(in)) for weight and bias (nn.Linear default)'}, 'expected init std per conv')

# ------------------------------------------------------------------ tensor path of the transforms, on float tensors 0..1
def augment_():
    A, B, D = image(7, 5), image(8, 8), image(17, 13)
    t, C = {'A': A, 'B': B, 'D': D}, []
    def f32(a): return chw(a).float().div(255)
    def add(key, out, **meta): t[key] = out.contiguous(); C.append({'key': key, **meta})
    affines = [(30.0, [0, 0], 1.0, 0.0), (-12.5, [0, 0], 1.0, 0.0), (0.0, [2, -1], 1.0, 0.0), (0.0, [0, 0], 1.3, 0.0), (0.0, [0, 0], 0.6, 0.0),
               (0.0, [0, 0], 1.0, 12.0), (20.0, [1, -2], 1.2, -7.5), (90.0, [0, 0], 1.0, 0.0), (-160.0, [-3, 1], 0.8, 20.0)]
    for nm, a in (('A', A), ('B', B), ('D', D)):
        for i, (ang, tr, sc, sh) in enumerate(affines):
            for im, tag in ((IM.NEAREST, 'nearest'), (IM.BILINEAR, 'bilinear')):
                add(f'affine.{nm}.{i}.{tag}', TF.affine(f32(a), ang, tr, sc, [sh, 0.0], im, fill=[0.25, 0.5, 0.75]), op='affine', img=nm, angle_clockwise=ang, translate=tr, scale=sc, shear=sh, interp=tag, fill=[0.25, 0.5, 0.75])
    for i, ((top, left, h, w), size) in enumerate((((2, 1, 9, 11), (8, 8)), ((0, 0, 17, 13), (32, 24)), ((5, 3, 4, 6), (9, 7)), ((1, 2, 13, 7), (5, 5)), ((16, 12, 1, 1), (4, 3)))):
        add(f'resized_crop.{i}', TF.resized_crop(f32(D), top, left, h, w, list(size), IM.BILINEAR, antialias=False), op='resized_crop', img='D', ijhw=[top, left, h, w], size=list(size))
    for m in ('constant', 'edge', 'reflect', 'symmetric'):
        add(f'pad.{m}', TF.pad(f32(D), [5, 3, 4, 6], 0, m), op='pad', img='D', padding_ltrb=[5, 3, 4, 6], mode=m)
    for nm, a in (('A', A), ('B', B)):
        f = f32(a)
        for k in (0.0, 0.3, 1.0, 1.9): add(f'saturation.{nm}.{k}', TF.adjust_saturation(f, k), op='saturation', img=nm, factor=k)
        for k in (-0.5, -0.31, -0.01, 0.0, 0.07, 0.25, 0.5): add(f'hue.{nm}.{k}', TF.adjust_hue(f, k), op='hue', img=nm, factor=k)
        add(f'grayscale.{nm}', TF.rgb_to_grayscale(f, 3), op='grayscale', img=nm)
        for j, (b, c, sa, h) in enumerate(((1.2, 0.7, 1.5, 0.1), (0.6, 1.4, 0.4, -0.2))):
            q = TF.adjust_hue(TF.adjust_saturation(TF.adjust_contrast(TF.adjust_brightness(f, b), c), sa), h)
            add(f'jitter.{nm}.{j}', q, op='jitter', img=nm, brightness=b, contrast=c, saturation=sa, hue=h)
    wst('augment', t, {'cases': C, 'note': 'images HWC uint8; results CHW float32 of values in 0..1'}, 'torchvision tensor path on float tensors: affine, resized_crop without antialias, pad modes, colour')
    wjson('augment', {'cases': C}, 'case list of augment.safetensors')

ALL = [plateau, early_stopping, schedules, optimizers, losses, layers, transforms_, augment_, imagefolder, tiny_resnet, full_resnets]
if __name__ == '__main__':
    for f in ALL: f(); print('done', f.__name__, flush=True)
    INDEX['_versions'] = {'torch': torch.__version__, 'torchvision': torchvision.__version__, 'pillow': PIL.__version__, 'numpy': np.__version__, 'python': sys.version.split()[0]}
    with open(os.path.join(OUT, 'INDEX.json'), 'w') as f: json.dump(INDEX, f, indent=1)
